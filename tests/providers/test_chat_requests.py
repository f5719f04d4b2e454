"""The JSON of a request: the same whoever writes it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaizen_batch.providers import OpenAIProvider, Parameters, Request
from kaizen_batch.providers.base import to_json
from kaizen_batch.providers.chat_requests import Dialect, body_of, payload_of
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
        ("openai/gpt-5-mini", {"max_completion_tokens"}),
        ("openrouter/openai/o3", {"max_completion_tokens"}),
        ("azure/gpt-5", {"max_completion_tokens"}),
        ("ft:gpt-5-mini:me::1", {"max_completion_tokens"}),
        ("o3", {"max_completion_tokens"}),
        ("gpt-5-chat-latest", {"temperature", "max_tokens"}),
        ("openai/gpt-5-chat-latest", {"temperature", "max_tokens"}),
        ("gpt-5-shy", {"max_completion_tokens"}),
        ("mono3", {"temperature", "max_tokens"}),
    ],
)
def test_a_model_gets_the_parameters_that_it_takes(model: str, sent: set[str]) -> None:
    asked = Request(model, [], temperature=0.5, max_tokens=5)
    assert set(payload_of(asked)) == {"model", "messages", "stream"} | sent


@pytest.mark.parametrize("model", ["gpt-4o", "gpt-5-mini"])
def test_a_temperature_that_was_asked_for_is_always_sent(model: str) -> None:
    asked = Request(model, [], temperature=0.5, asked=True)
    assert payload_of(asked)["temperature"] == 0.5
    assert payload_of(asked, Dialect(frozenset({"temperature"})))["temperature"] == 0.5


@pytest.mark.parametrize(
    ("refused", "sent"),
    [
        ({"max_tokens"}, {"temperature", "max_completion_tokens"}),
        ({"temperature"}, {"max_tokens"}),
        (set(), {"temperature", "max_tokens"}),
    ],
)
def test_what_was_refused_is_sent_in_another_way(refused: set[str], sent: set[str]) -> None:
    payload = payload_of(Request("a", [], 0.5, 5), Dialect(frozenset(refused)))
    assert set(payload) - {"model", "messages", "stream"} == sent


def test_a_reasoning_model_that_refuses_the_new_name_gets_the_old_one() -> None:
    assert "max_tokens" in payload_of(Request("o3", [], None, 5), Dialect(frozenset({"max_completion_tokens"})))


def test_parameters_are_fields_of_the_body() -> None:
    asked = Request("m", [], None, None, None, Parameters.of({"seed": 7, "enable_thinking": False}))
    assert payload_of(asked) == {"model": "m", "messages": [], "seed": 7, "enable_thinking": False, "stream": False}
    assert body_of(asked) == to_json(payload_of(asked))


def test_parameters_that_python_takes_for_equal_are_not_mixed_up() -> None:
    bodies = [body_of(Request("m", [], None, None, None, Parameters.of({"x": value}))) for value in (1, True, 1.0)]
    assert len(set(bodies)) == 3
