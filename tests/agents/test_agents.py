"""Agents: what a function is given and gives back, how a model's answer is read, and what is no agent."""

import functools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pydantic import BaseModel

from kaizen_batch.agents import Agent, FunctionAgent, ModelAgent, SmallAgent, as_agent, create_agent
from kaizen_batch.config import BatchConfig
from kaizen_batch.errors import (
    AgentError,
    ConfigError,
    InputError,
    InvalidOutputError,
    RefusedOutputError,
    SignatureError,
    TruncatedOutputError,
)
from kaizen_batch.providers import Completion, MockProvider, OutputSchema, Provider
from kaizen_batch.signature import ProcessingSignature, Signature, as_signature

MOCK = BatchConfig(llm_provider="mock")


class Team(BaseModel):
    team: str
    sure: bool


class Echo:
    """A foreign agent."""

    def __init__(self) -> None:
        self.open = False

    async def run_async(self, **inputs: Any) -> dict[str, Any]:
        return inputs

    @asynccontextmanager
    async def session(self) -> AsyncIterator[None]:
        self.open = True
        yield
        self.open = False


class Callable:
    async def __call__(self, item: Any) -> Any:
        return item


async def double(number: int) -> int:
    return number * 2


async def two(a: int, b: int = 5) -> dict[str, Any]:
    return {"a": a, "b": b}


async def everything(**inputs: Any) -> dict[str, Any]:
    return inputs


async def by_name(*, text: str) -> dict[str, Any]:
    return {"text": text}


def not_async(item: Any) -> Any:
    return item


async def outputs_of(agent: Any, item: Any) -> dict[str, Any]:
    request = agent.prepare(item)
    result: dict[str, Any] = agent.parse(request, await agent.complete(request))
    return result


@pytest.mark.parametrize(
    ("function", "item", "outputs"),
    [
        (double, 4, {"result": 8}),
        (double, {"number": 4}, {"result": 8}),
        (double, {"number": 4, "id": "x"}, {"result": 8}),
        (two, {"a": 1}, {"a": 1, "b": 5}),
        (two, {"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 2}),
        (two, 1, {"a": 1, "b": 5}),
        (everything, {"x": 1, "y": 2}, {"x": 1, "y": 2}),
        (everything, {}, {}),
        (by_name, {"text": "t", "other": 1}, {"text": "t"}),
        (Callable(), "x", {"result": "x"}),
        (functools.partial(two, b=7), {"a": 1}, {"a": 1, "b": 7}),
        (Echo(), "hello", {"prompt": "hello"}),
        (Echo(), {"a": 1, "b": 2}, {"a": 1, "b": 2}),
    ],
)
async def test_an_item_becomes_arguments_and_the_value_becomes_outputs(
    function: Any, item: Any, outputs: dict[str, Any]
) -> None:
    assert await outputs_of(FunctionAgent(function), item) == outputs


@pytest.mark.parametrize("value", [None, 0, "", "text", [1], 1.5, False])
async def test_a_value_that_is_no_dict_becomes_the_result(value: Any) -> None:
    assert await outputs_of(FunctionAgent(Callable()), value) == {"result": value}


@pytest.mark.parametrize(
    ("function", "item", "given"),
    [
        (double, {}, "a dict with "),
        (double, {"num": 1}, "'num'"),
        (two, {"b": 1}, "'b'"),
        (by_name, "text", "given: str"),
        (everything, {1: 2}, "1"),
    ],
)
def test_an_item_that_does_not_fit_the_function_is_refused(function: Any, item: Any, given: str) -> None:
    with pytest.raises(InputError, match="the item does not fit the function") as caught:
        FunctionAgent(function).prepare(item)
    assert given in str(caught.value)


@pytest.mark.parametrize(
    ("value", "message", "kept"),
    [
        ({"error": "no luck", "a": 1}, "no luck", {"a": 1}),
        ({"success": False, "a": 1}, "the agent said that it failed", {"success": False, "a": 1}),
        ({"success": False, "error": "no luck"}, "no luck", {"success": False}),
        ({"success": True, "error": "still"}, "still", {"success": True}),
        ({"error": {"code": 7}}, "{'code': 7}", {}),
        ({"error": "x", "status": "bad"}, "x", {"agent_status": "bad"}),
    ],
)
def test_a_dict_that_says_failure_fails_the_item_and_keeps_the_rest(
    value: dict[str, Any], message: str, kept: dict[str, Any]
) -> None:
    with pytest.raises(AgentError) as caught:
        FunctionAgent(everything).parse(None, Completion(value=value))
    assert (str(caught.value), caught.value.outputs) == (message, kept)


@pytest.mark.parametrize("value", [{"a": 1, "error": None}, {"a": 1, "error": ""}, {"a": 1}])
def test_an_empty_error_is_no_failure(value: dict[str, Any]) -> None:
    assert FunctionAgent(everything).parse(None, Completion(value=value)) == {"a": 1}


@pytest.mark.parametrize("success", [True, None, 0, "no"])
def test_only_success_false_is_a_failure(success: Any) -> None:
    value = {"success": success}
    assert FunctionAgent(everything).parse(None, Completion(value=value)) == value


@pytest.mark.parametrize("key", ["batch", "index", "status"])
def test_a_key_of_the_result_s_own_is_kept_under_another_name(key: str) -> None:
    value = {key: "mine", "other": 1}
    assert FunctionAgent(everything).parse(None, Completion(value=value)) == {f"agent_{key}": "mine", "other": 1}
    assert key in value


def test_a_request_keeps_its_arguments_when_the_item_is_changed_afterwards() -> None:
    async def answer(question: str) -> str:
        return question

    item = {"question": "first"}
    request = FunctionAgent(answer).prepare(item)
    item["question"] = "second"
    assert request == ((), {"question": "first"})


async def test_a_function_s_exception_comes_through_as_it_is() -> None:
    async def broken(item: Any) -> Any:
        raise LookupError(item)

    with pytest.raises(LookupError):
        await outputs_of(FunctionAgent(broken), 1)


async def test_an_agent_s_own_session_is_held_and_a_function_has_none() -> None:
    echo = Echo()
    async with FunctionAgent(echo).session():
        assert echo.open
    assert not echo.open
    async with FunctionAgent(double).session():
        pass


@pytest.mark.parametrize("thing", [double, Callable(), functools.partial(two, b=1), Echo(), Echo().run_async])
def test_an_async_function_or_small_agent_is_wrapped(thing: Any) -> None:
    agent = as_agent(thing)
    assert isinstance(agent, FunctionAgent)
    assert isinstance(agent, Agent)


def test_a_full_agent_stays_as_it_is() -> None:
    agent = create_agent(MOCK)
    assert as_agent(agent) is agent


@pytest.mark.parametrize("thing", [None, 7, "text", {}, object()])
def test_what_is_no_agent_is_refused(thing: Any) -> None:
    with pytest.raises(ConfigError, match="an agent has prepare, complete and parse") as caught:
        as_agent(thing)
    assert "async def" not in str(caught.value)


@pytest.mark.parametrize("thing", [not_async, len, lambda item: item])
def test_a_function_that_is_not_async_is_refused_with_the_mend(thing: Any) -> None:
    with pytest.raises(ConfigError, match="it is not async: define it with `async def`"):
        as_agent(thing)


@pytest.mark.parametrize("thing", [str, Echo])
def test_a_class_is_refused_with_the_mend(thing: Any) -> None:
    with pytest.raises(ConfigError, match=rf"an instance, not a class; .* write {thing.__name__}\(\.\.\.\)"):
        as_agent(thing)


def test_an_agent_whose_run_async_is_not_async_is_refused() -> None:
    class Sync:
        def run_async(self, **inputs: Any) -> dict[str, Any]:
            return inputs

    with pytest.raises(ConfigError, match="it is not async"):
        as_agent(Sync())


def test_a_small_agent_is_told_by_its_run_async() -> None:
    assert isinstance(Echo(), SmallAgent)
    assert not isinstance(double, SmallAgent)


def test_a_config_makes_a_model_agent() -> None:
    agent = create_agent(MOCK)
    assert isinstance(agent, ModelAgent)
    assert isinstance(agent.provider, MockProvider)
    assert agent.signature is ProcessingSignature
    assert agent.output_fields == ("result",)


def test_a_provider_may_be_an_instance_or_a_class() -> None:
    provider = MockProvider()
    assert create_agent(MOCK, provider=provider).provider is provider
    agent = create_agent(MOCK.with_options(provider_options={"seed": 3}), provider=MockProvider)
    assert isinstance(agent.provider, MockProvider)


def test_a_function_stands_in_for_a_provider() -> None:
    assert isinstance(create_agent(MOCK, provider=double), FunctionAgent)


def test_a_pydantic_model_is_taken_as_the_signature() -> None:
    assert create_agent(MOCK, Team).output_fields == ("team", "sure")


def test_a_function_with_a_signature_is_refused() -> None:
    with pytest.raises(ConfigError, match="leave out signature"):
        create_agent(MOCK, Team, double)


def test_a_signature_that_is_none_is_refused() -> None:
    with pytest.raises(SignatureError):
        create_agent(MOCK, "text -> team")


def test_a_provider_that_is_not_async_is_refused() -> None:
    with pytest.raises(ConfigError, match="not async"):
        create_agent(MOCK, provider=not_async)


def test_openai_without_a_key_is_refused_with_the_mend() -> None:
    with pytest.raises(ConfigError, match="OPENAI_API_KEY"):
        create_agent(BatchConfig())


@pytest.mark.parametrize("provider", [None, MockProvider])
def test_wrong_provider_options_are_a_config_error(provider: type[Provider] | None) -> None:
    config = MOCK.with_options(provider_options={"latency": 1})
    with pytest.raises(ConfigError, match="provider_options"):
        create_agent(config, provider=provider)


def test_the_request_carries_the_options_and_a_schema_where_there_is_one() -> None:
    config = BatchConfig(llm_provider="mock", model="m", temperature=None, max_tokens=7, system_prompt="Be brief.")
    request = create_agent(config, Team).prepare("Who?")
    assert (request.model, request.temperature, request.max_tokens) == ("m", None, 7)
    assert request.messages == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Who?"}]
    assert request.output == OutputSchema("Team", as_signature(Team).json_schema() or {})
    assert create_agent(config).prepare("Who?").output is None


def test_an_item_that_does_not_fit_the_signature_is_refused() -> None:
    with pytest.raises(InputError):
        create_agent(MOCK).prepare({"text": "x"})


@pytest.mark.parametrize(
    ("signature", "completion", "kind", "code"),
    [
        (None, Completion(text=None, refusal="no"), RefusedOutputError, "refusal"),
        (Team, Completion(text=None, refusal="no"), RefusedOutputError, "refusal"),
        (Team, Completion(text="{", refusal="no", finish_reason="length"), RefusedOutputError, "refusal"),
        (None, Completion(text=None, finish_reason="content_filter"), RefusedOutputError, "content_filter"),
        (None, Completion(text="half", finish_reason="content_filter"), RefusedOutputError, "content_filter"),
        (Team, Completion(text="{}", finish_reason="content_filter"), RefusedOutputError, "content_filter"),
        (Team, Completion(text='{"team": "a"', finish_reason="length"), TruncatedOutputError, "length"),
        (Team, Completion(text=None, finish_reason="length"), TruncatedOutputError, "length"),
        (None, Completion(text="", finish_reason="length"), TruncatedOutputError, "length"),
        (None, Completion(text=None, finish_reason="length"), TruncatedOutputError, "length"),
        (Team, Completion(text="purple"), InvalidOutputError, "invalid_output"),
        (Team, Completion(text=None), InvalidOutputError, "invalid_output"),
    ],
)
def test_an_answer_that_cannot_be_used_says_why(
    signature: type[Signature] | None, completion: Completion, kind: type[Exception], code: str
) -> None:
    agent = create_agent(MOCK, signature)
    with pytest.raises(kind) as caught:
        agent.parse(agent.prepare("x"), completion)
    assert type(caught.value) is kind
    assert caught.value.code == code  # type: ignore[attr-defined]


@pytest.mark.parametrize("reason", ["stop", "length", None, "eos"])
def test_a_text_is_the_answer_whatever_ended_it(reason: str | None) -> None:
    agent = create_agent(MOCK)
    completion = Completion(text="half a sent", finish_reason=reason)
    assert agent.parse(agent.prepare("x"), completion) == {"result": "half a sent"}


def test_a_cut_answer_names_max_tokens() -> None:
    agent = create_agent(MOCK.with_options(max_tokens=7), Team)
    with pytest.raises(TruncatedOutputError, match="max_tokens=7"):
        agent.parse(agent.prepare("x"), Completion(text="{", finish_reason="length"))


async def test_a_model_agent_answers_through_its_provider() -> None:
    provider = MockProvider(answer=lambda request: '{"team": "tech", "sure": true}')
    agent = create_agent(MOCK, Team, provider)
    async with agent.session():
        assert await outputs_of(agent, "Who?") == {"team": "tech", "sure": True}
