"""The key of a request: change any field and it changes; nothing else changes it."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from kaizen_batch import OpenAIProvider, UnsupportedParameterError
from kaizen_batch.engine.journaling import request_key
from kaizen_batch.providers import OutputSchema, Request
from kaizen_batch.simulator import Simulator

TEXT = st.text(max_size=30)
MODELS = st.sampled_from(["gpt-4o-mini", "gpt-4o", "o3", "gpt-5", "strict-1"]) | st.text(min_size=1, max_size=10)
MESSAGES = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["system", "user", "assistant"]), "content": TEXT}),
    min_size=1,
    max_size=4,
)
SCHEMAS = st.dictionaries(TEXT, TEXT | st.integers() | st.booleans() | st.none(), max_size=4)
REQUESTS = st.builds(
    Request,
    model=MODELS,
    messages=MESSAGES,
    temperature=st.none() | st.floats(0, 2),
    max_tokens=st.none() | st.integers(1, 10_000),
    output=st.none() | st.builds(OutputSchema, name=TEXT, schema=SCHEMAS),
)
URL = "http://127.0.0.1:8000/v1"


def key(request: Request, url: str = URL, **options: Any) -> bytes:
    provider = OpenAIProvider(api_key="sk-x", base_url=url, **options)
    return request_key(provider.endpoint, provider.body(request))


def other_message(request: Request, draw: Callable[..., Any]) -> list[dict[str, str]]:
    place = draw(st.integers(0, len(request.messages) - 1))
    field = draw(st.sampled_from(["role", "content"]))
    value = draw(st.sampled_from(["system", "user", "assistant"]) if field == "role" else TEXT)
    return [{**message, field: value} if n == place else message for n, message in enumerate(request.messages)]


def is_sent(request: Request, field: str) -> bool:
    """Reasoning models get no temperature: what is not sent cannot change the answer."""
    return field != "temperature" or "temperature" in OpenAIProvider(api_key="x").body(request).decode()


@settings(max_examples=30)
@given(request=REQUESTS, other=REQUESTS, data=st.data())
@pytest.mark.parametrize("field", ["model", "messages", "one message", "temperature", "max_tokens", "output"])
def test_changing_any_field_changes_the_key(request: Request, other: Request, data: Any, field: str) -> None:
    if field == "one message":
        changed = replace(request, messages=other_message(request, data.draw))
    else:
        changed = replace(request, **{field: getattr(other, field)})
    assume(changed != request and not (field == "temperature" and request.temperature == changed.temperature))
    assume(is_sent(replace(request, temperature=0.5), field))
    assert key(changed) != key(request)


@given(request=REQUESTS, url=st.sampled_from([URL, "http://127.0.0.1:8001/v1", "http://127.0.0.1:8000/v1/x"]))
def test_the_key_changes_with_the_endpoint_and_with_nothing_else_of_the_provider(request: Request, url: str) -> None:
    twin = replace(request, messages=[dict(message) for message in request.messages])
    assert key(request, timeout_s=3.0, max_concurrent=99) == key(twin)
    assert (key(request, url) == key(request)) == (url == URL)


@given(endpoint=TEXT, body=st.binary(max_size=30), cut=st.integers(0, 30))
def test_no_part_of_the_endpoint_can_be_mistaken_for_the_body(endpoint: str, body: bytes, cut: int) -> None:
    text = body.decode("latin-1")[:cut]
    assume(text)
    assert request_key(endpoint + text, body[cut:]) != request_key(endpoint, body)


@pytest.mark.parametrize("model", ["strict-model", "o3-mini", "gpt-4o-mini"])
async def test_parameters_that_a_provider_learned_to_omit_do_not_change_the_key(model: str) -> None:
    request = Request(model, [{"role": "user", "content": "x"}], temperature=0.3, max_tokens=10)
    with Simulator() as simulator:
        provider = OpenAIProvider(api_key="sk-x", base_url=simulator.base_url)
        before, refusals = provider.body(request), 0
        async with provider.session():
            while True:
                try:
                    await provider.complete(request)
                    break
                except UnsupportedParameterError:
                    refusals += 1
    assert refusals == (2 if model == "strict-model" else 0)
    assert provider.body(request) == before
    assert request_key(provider.endpoint, before) == key(request, simulator.base_url)


async def test_a_model_that_rejects_parameters_is_still_answered_from_the_journal(
    ask: Any, assert_right: Any, tmp_path: Any
) -> None:
    items = [f"item {number}" for number in range(30)]
    options: dict[str, Any] = {"journal": tmp_path / "run.db", "model": "strict-model", "max_concurrent": 1}
    with Simulator() as simulator:
        await ask(simulator, items, **options)
        second = await ask(simulator, items, **options)
    assert_right(second, items)
    assert simulator.ledger.billed == 30
    assert simulator.ledger.calls == 32  # the two refusals were learned once, and the second run made no call
