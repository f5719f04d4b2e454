"""Requests, and the defaults of a provider: its endpoint, the bytes of a request, its price."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaizen_batch import BatchConfig, Completion, OutputSchema, Provider, Request
from kaizen_batch.providers.base import keep_encoded, to_json

MESSAGES = [{"role": "user", "content": "hello"}]


class Plain(Provider):
    def __init__(self, word: str = "x") -> None:
        self.word = word

    async def complete(self, request: Request) -> Completion:
        return Completion(text=self.word)


class OwnBody(Plain):
    def body(self, request: Request) -> bytes:
        return b"{}"


def request(**fields: object) -> Request:
    return Request(**{"model": "m", "messages": MESSAGES, **fields})  # type: ignore[arg-type]


def test_the_prompt_is_the_last_message() -> None:
    assert request(messages=[{"role": "system", "content": "be brief"}, *MESSAGES]).prompt == "hello"
    assert request(messages=[]).prompt == ""


def test_encoded_bytes_are_no_part_of_a_request() -> None:
    kept, other = request(), request()
    keep_encoded(kept, b"bytes")
    assert kept.encoded == b"bytes"
    assert kept == other
    assert "bytes" not in repr(kept)
    assert not hasattr(copy.copy(kept), "encoded")


@pytest.mark.parametrize(
    "field",
    [
        {"model": "n"},
        {"messages": [{"role": "user", "content": "bye"}]},
        {"temperature": 0.5},
        {"max_tokens": 7},
        {"output": OutputSchema("Answer", {"type": "object"})},
    ],
)
def test_the_default_body_has_every_field(field: dict[str, object]) -> None:
    assert Plain().body(request(**field)) != Plain().body(request())


@given(st.text())
def test_any_text_can_be_encoded(text: str) -> None:
    messages = [{"role": "user", "content": text}]
    assert Plain().body(request(messages=messages)) == Plain().body(request(messages=messages))


def test_a_lone_surrogate_is_an_error_unless_it_is_allowed() -> None:
    with pytest.raises(UnicodeEncodeError):
        to_json("\ud800")
    assert to_json("\ud800", "surrogatepass") == b'"\xed\xa0\x80"'
    assert to_json({"big": 2**70}) == b'{"big":%d}' % 2**70


def test_a_body_of_its_own_is_not_standard() -> None:
    assert Plain.standard_body
    assert not OwnBody.standard_body


def test_the_defaults_of_a_provider() -> None:
    plain = Plain()
    assert plain.endpoint == f"{__name__}:Plain"
    assert plain.price("m") is None
    assert not plain.keeps_timeout(1.0)


def test_a_provider_is_made_from_its_options() -> None:
    assert Plain.from_config(BatchConfig(llm_provider="mock", provider_options={"word": "y"})).word == "y"


async def test_a_session_may_be_opened_twice_at_the_same_time() -> None:
    plain = Plain()
    async with plain.session(), plain.session():
        assert await plain.complete(request()) == Completion(text="x")
