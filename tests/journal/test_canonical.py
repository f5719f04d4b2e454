"""The canonical form of requests: its vectors are a promise, and the quick ways give what the definition says."""

import json
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from kaizen_batch.journal.canonical import (
    body_form,
    canonical_json,
    chat_frame,
    key_of,
    stored_request,
    with_references,
)
from kaizen_batch.journal.strict_schema import strict_schema
from kaizen_batch.signature import as_signature

# These files must never change: with another form, every journal in the world would be paid again. To the vectors, new
# ones may be added.
VECTORS = json.loads((Path(__file__).parent / "data" / "canonical_vectors.json").read_text())
PINNED = "5d5ee13bb5fa6099c23bbcb7a179dc818dc7494809933eac76297d9dde287589"

TEXT = st.text(st.characters(), max_size=20)  # lone surrogates are among them
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("vector", VECTORS["chat"], ids=lambda vector: vector["name"])
def test_vectors_of_requests_to_models(vector: dict[str, Any]) -> None:
    output = tuple(vector["output"]) if vector["output"] else None
    frame = chat_frame(vector["endpoint_name"], vector["model"], vector["parameters"], output)
    form = frame.around(vector["messages"])
    assert form.decode("utf-8", "surrogatepass") == vector["canonical"]
    assert key_of(form).hex() == vector["key"] == sha256(form).hexdigest()


@pytest.mark.parametrize("vector", VECTORS["bodies"], ids=lambda vector: vector["name"])
def test_vectors_of_other_bodies(vector: dict[str, Any]) -> None:
    form = body_form(vector["endpoint_name"], vector["body"])
    assert form.decode("utf-8", "surrogatepass") == vector["canonical"]
    assert key_of(form).hex() == vector["key"]


def test_no_vector_was_changed() -> None:
    keys = "".join(vector["key"] for group in ("chat", "bodies") for vector in VECTORS[group])
    assert sha256(keys.encode()).hexdigest() == PINNED, "adding a vector changes this; changing one is forbidden"


@given(texts=st.lists(st.fixed_dictionaries({"role": TEXT, "content": TEXT}), min_size=1, max_size=3))
def test_texts_alone_are_written_as_any_other_json(texts: list[dict[str, str]]) -> None:
    frame = chat_frame("e", "m", {})
    assert frame.around(texts) == frame.before + canonical_json(texts) + frame.after


@given(value=JSON)
def test_canonical_json_is_json_and_knows_no_order_of_members(value: Any) -> None:
    form = canonical_json(value)
    assert json.loads(form.decode("utf-8", "surrogatepass")) == json.loads(json.dumps(value))
    assert canonical_json(_reversed(value)) == form
    assert canonical_json(json.loads(form.decode("utf-8", "surrogatepass"))) == form


def _reversed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _reversed(inner) for key, inner in reversed(value.items())}
    return [_reversed(inner) for inner in value] if isinstance(value, list) else value


@given(one=JSON, two=JSON)
def test_two_values_have_one_form_only_if_they_are_the_same(one: Any, two: Any) -> None:
    same = json.dumps(one, sort_keys=True) == json.dumps(two, sort_keys=True)
    assert (canonical_json(one) == canonical_json(two)) == same


class Inner(BaseModel):
    """A part."""

    name: str = Field(max_length=3)
    again: "Inner | None" = None


class Outer(BaseModel):
    """All kinds of fields."""

    inner: Inner = Field(description="one")
    more: list[Inner] = []
    either: Inner | int | None = None
    words: dict[str, str] = {}
    limit: float = 1.0


def test_a_schema_and_its_strict_form_are_one() -> None:
    import openai

    own = Outer.model_json_schema()
    strict = openai.pydantic_function_tool(Outer)["function"]["parameters"]
    del own["description"], strict["description"]
    assert strict_schema(own) == strict == strict_schema(strict)
    assert strict_schema(as_signature(Outer).json_schema() or {}) == strict


def test_a_schema_that_refers_to_itself_ends() -> None:
    looped = {"$defs": {"a": {"$ref": "#/$defs/a", "title": "x"}}, "$ref": "#/$defs/a", "type": "object"}
    assert canonical_json(strict_schema(looped)) == canonical_json(strict_schema(looped))
    assert strict_schema({"$ref": "#/nowhere", "title": "x"}) == {"$ref": "#/nowhere", "title": "x"}


def test_media_are_stored_once_and_referred_to() -> None:
    image = b"\x89PNG" * 1000
    url = "data:image/png;base64," + b64encode(image).decode()
    part = {"type": "image_url", "image_url": {"url": url}}
    messages = [{"role": "user", "content": [{"type": "text", "text": "?"}, part, part]}]
    body = json.dumps({"model": "m", "messages": messages}).encode()
    text, media = stored_request(body)
    assert len(text) < 500 and {each.sha256 for each in media} == {sha256(image).digest()}
    assert (media[0].media_type, media[0].content) == ("image/png", image)
    assert body_form("e", text) == body_form("e", body), "the key can be computed from what is stored"
    assert with_references("a text")[1] == [] and stored_request(b"{}") == ("{}", [])


def test_what_looks_like_media_and_is_none_stays_as_it_is() -> None:
    for url in ("data:image/png;base64,???x", "data:text/plain,hi", "data:", "https://example.com/a;base64,b.png"):
        part = [{"type": "image_url", "image_url": {"url": url}}]
        assert with_references(part) == (part, [])
