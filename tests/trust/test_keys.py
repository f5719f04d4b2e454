"""The key of a request: a change of the question changes it, and nothing else does."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from kaizen_batch import BatchConfig, OpenAIProvider, ProcessingSignature, UnsupportedParameterError
from kaizen_batch.agents import ModelAgent
from kaizen_batch.journal.canonical import body_form, key_of
from kaizen_batch.journal.strict_schema import strict_schema
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


def agent(url: str = URL, provider: Any = None, **options: Any) -> ModelAgent:
    config = BatchConfig(api_key="sk-x", base_url=url, **options)
    return ModelAgent(config, ProcessingSignature, provider or OpenAIProvider.from_config(config))


def key(request: Request, url: str = URL, **options: Any) -> bytes:
    return key_of(agent(url, **options).canonical(request))


def other_message(request: Request, draw: Callable[..., Any]) -> list[dict[str, str]]:
    place = draw(st.integers(0, len(request.messages) - 1))
    field = draw(st.sampled_from(["role", "content"]))
    value = draw(st.sampled_from(["system", "user", "assistant"]) if field == "role" else TEXT)
    return [{**message, field: value} if n == place else message for n, message in enumerate(request.messages)]


def asked(request: Request) -> tuple[Any, ...]:
    """What the question is made of: numbers by value, and a schema by what strict mode makes of it."""
    output = request.output and (request.output.name, strict_schema(request.output.schema))
    return request.model, request.messages, request.temperature, output


@settings(max_examples=30)
@given(request=REQUESTS, other=REQUESTS, data=st.data())
@pytest.mark.parametrize("field", ["model", "messages", "one message", "temperature", "output"])
def test_changing_the_question_changes_the_key(request: Request, other: Request, data: Any, field: str) -> None:
    if field == "one message":
        changed = replace(request, messages=other_message(request, data.draw))
    else:
        changed = replace(request, **{field: getattr(other, field)})
    assume(asked(changed) != asked(request))
    assert key(changed) != key(request)


@given(request=REQUESTS, url=st.sampled_from([URL, "http://127.0.0.1:8001/v1", "http://127.0.0.1:8000/v1/x"]))
def test_nothing_else_changes_it(request: Request, url: str) -> None:
    twin = replace(request, messages=[dict(reversed(message.items())) for message in request.messages])
    assert key(twin, timeout_s=3.0, max_concurrent=99, max_reasks=3, budget_usd=1.0) == key(request)
    assert key(replace(request, max_tokens=77), max_tokens=77) == key(request)
    assert (key(request, url) == key(request)) == (url == URL)
    assert key(request, url, endpoint_name="mine") == key(request, URL, endpoint_name="mine")


@given(request=REQUESTS)
def test_the_body_alone_gives_the_same_key(request: Request) -> None:
    mine = agent()
    by_body = body_form(URL, mine.body(request), temperature=request.temperature)
    assert by_body == mine.canonical(request)


@given(endpoint=TEXT, body=st.binary(max_size=30), cut=st.integers(0, 30))
def test_no_part_of_the_endpoint_can_be_mistaken_for_the_body(endpoint: str, body: bytes, cut: int) -> None:
    text = body.decode("latin-1")[:cut]
    assume(text)
    assert body_form(endpoint + text, text[1:]) != body_form(endpoint, text)


class TopK(OpenAIProvider):
    """A provider that sends more than the request says."""

    top_k = 1

    def body(self, request: Request) -> bytes:
        return super().body(request)[:-1] + b',"top_k":%d}' % self.top_k


def test_what_a_provider_adds_to_the_body_is_part_of_the_question() -> None:
    request = Request("m", [{"role": "user", "content": "?"}], 0.5)
    provider = TopK(api_key="sk-x", base_url=URL)
    first = agent(provider=provider).canonical(request)
    provider.top_k = 2
    assert first != agent(provider=provider).canonical(request)
    assert b'"parameters":{"temperature":0.5,"top_k":1}' in first


@pytest.mark.parametrize("model", ["strict-model", "o3-mini", "gpt-4o-mini"])
async def test_parameters_that_a_provider_learned_to_omit_do_not_change_the_key(model: str) -> None:
    request = Request(model, [{"role": "user", "content": "x"}], temperature=0.3, max_tokens=10)
    with Simulator() as simulator:
        mine = agent(simulator.base_url)
        before, refusals = mine.canonical(request), 0
        async with mine.session():
            while True:
                try:
                    await mine.complete(request)
                    break
                except UnsupportedParameterError:
                    refusals += 1
    assert refusals == (2 if model == "strict-model" else 0)
    assert mine.canonical(request) == before
    assert key_of(before) == key(request, simulator.base_url)


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
