"""The JSON of a request: the same whoever writes it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaizen_batch.providers import OpenAIProvider, Request
from kaizen_batch.providers.base import to_json
from kaizen_batch.providers.chat_requests import body_of, payload_of
from tests.providers.http.raw import SCHEMA, request

OURS = OpenAIProvider(base_url="http://127.0.0.1:1/v1")


@given(st.text(), st.text(), st.none() | st.floats(0, 2), st.none() | st.integers(1, 10**6), st.booleans())
def test_a_body_says_what_the_standard_library_would_write(
    text: str, model: str, temperature: float | None, max_tokens: int | None, typed: bool
) -> None:
    asked = request(text, model=model, temperature=temperature, max_tokens=max_tokens, output=SCHEMA if typed else None)
    assert json.loads(OURS.body(asked)) == payload_of(asked)
    standard = json.dumps(asked.messages, separators=(",", ":"), ensure_ascii=False)
    assert standard.encode() in OURS.body(asked), "byte for byte: the key of a request is made of it"


@pytest.mark.parametrize("temperature", [1, 1.0, 0.1, 1e-7])
@pytest.mark.parametrize("model", ['"messages":[]', "[]", "gpt-4o"])
def test_the_bytes_are_those_of_the_whole_written_at_once(temperature: float, model: str) -> None:
    asked = request("hi", model=model, temperature=temperature, output=SCHEMA)
    assert body_of(asked) == to_json(payload_of(asked))


@given(st.text(st.characters(codec=None)))
def test_any_text_has_a_key_and_only_unicode_is_sent(text: str) -> None:
    body = OURS.body(request(text))
    try:
        text.encode()
    except UnicodeEncodeError:
        with pytest.raises(UnicodeEncodeError):
            body_of(request(text))
        assert text == json.loads(body.decode("utf-8", "surrogatepass"))["messages"][0]["content"]
    else:
        assert json.loads(body)["messages"][0]["content"] == text


@pytest.mark.parametrize(
    ("model", "sent"),
    [
        ("gpt-4o", {"temperature", "max_tokens"}),
        ("gpt-5-mini", {"max_completion_tokens"}),
        ("o3", {"max_completion_tokens"}),
        ("gpt-5-chat-latest", {"temperature", "max_tokens"}),
        ("gpt-5-shy", {"max_completion_tokens"}),
    ],
)
def test_a_model_gets_the_parameters_that_it_takes(model: str, sent: set[str]) -> None:
    asked = Request(model, [], temperature=0.5, max_tokens=5)
    assert set(payload_of(asked)) == {"model", "messages", "stream"} | sent


def test_what_was_learned_holds_for_that_model_alone() -> None:
    refused = {("a", "max_tokens"), ("b", "temperature")}
    sent = [set(payload_of(Request(model, [], 0.5, 5), refused)) for model in "abc"]
    names = [each - {"model", "messages", "stream"} for each in sent]
    assert names == [{"temperature", "max_completion_tokens"}, {"max_tokens"}, {"temperature", "max_tokens"}]
