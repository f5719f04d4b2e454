"""FunctionAgent and as_agent: how functions are called, and what is rejected."""

import functools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from kaizen_batch.agents import Agent, FunctionAgent, SmallAgent, as_agent
from kaizen_batch.errors import AgentError, ConfigError, InputError
from kaizen_batch.prices import Price
from kaizen_batch.providers import Completion
from tests.agents.asking import outputs_of


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
async def test_a_value_that_is_not_a_dict_becomes_the_result(value: Any) -> None:
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
def test_an_item_that_does_not_fit_the_function_is_rejected(function: Any, item: Any, given: str) -> None:
    with pytest.raises(InputError, match="the item does not fit the function") as caught:
        FunctionAgent(function).prepare(item)
    assert given in str(caught.value)


@pytest.mark.parametrize(
    ("value", "message", "kept"),
    [
        ({"error": "no luck", "a": 1}, "no luck", {"a": 1}),
        ({"success": False, "a": 1}, "the agent reported a failure", {"success": False, "a": 1}),
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
def test_an_empty_error_is_not_a_failure(value: dict[str, Any]) -> None:
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


async def test_the_exception_of_a_function_is_passed_on() -> None:
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


class Whole:
    """An object with `execute(inputs)`."""

    async def execute(self, inputs: Any) -> Any:
        return {"got": inputs} if isinstance(inputs, dict) else inputs


@pytest.mark.parametrize(
    ("item", "outputs"), [({"a": 1}, {"got": {"a": 1}}), ("text", {"result": "text"}), ({}, {"got": {}})]
)
async def test_execute_gets_the_whole_item(item: Any, outputs: dict[str, Any]) -> None:
    assert await outputs_of(as_agent(Whole()), item) == outputs


def test_an_item_for_execute_is_copied() -> None:
    item = {"a": 1}
    request = as_agent(Whole()).prepare(item)
    item["a"] = 2
    assert request == (({"a": 1},), {})


def test_run_async_comes_before_execute() -> None:
    class Both(Whole, Echo):
        pass

    assert as_agent(Both()).prepare("x") == ((), {"prompt": "x"})


class Steps:
    """The three steps, without deriving from Agent."""

    def prepare(self, inputs: Any) -> Any:
        return [inputs]

    async def complete(self, request: Any) -> Completion:
        return Completion(text=f"{request[0]}!")

    def parse(self, request: Any, completion: Completion) -> dict[str, Any]:
        return {"loud": completion.text}


class Rich(Steps):
    """The three steps and every optional member."""

    name, endpoint, output_fields, from_model = "rich", "here", ("loud",), False
    price = Price(input=1.0, output=2.0)

    def __init__(self) -> None:
        self.fallbacks = [Steps()]
        self.session = Echo().session

    def body(self, request: Any) -> bytes:
        return b"body"

    def max_output(self, request: Any) -> int:
        return 7

    def keeps_timeout(self, seconds: float | None) -> bool:
        return True


async def test_the_three_steps_make_an_agent_with_the_defaults_of_the_rest() -> None:
    agent = as_agent(Steps())
    assert await outputs_of(agent, "hi") == {"loud": "hi!"}
    assert (agent.name, agent.endpoint, agent.price, agent.output_fields, agent.from_model) == (None,) * 3 + ((), True)
    assert (agent.max_output(None), agent.keeps_timeout(1.0), agent.body(["x"])) == (None, False, b'["x"]')
    async with agent.session():
        pass


async def test_their_optional_members_are_kept() -> None:
    agent = as_agent(Rich())
    assert (agent.name, agent.endpoint, agent.output_fields, agent.from_model) == ("rich", "here", ("loud",), False)
    assert agent.price == Rich.price
    assert (agent.max_output(None), agent.keeps_timeout(1.0), agent.body(["x"])) == (7, True, b"body")
    [fallback] = agent.fallbacks
    assert isinstance(fallback, Agent)
    async with agent.session():
        pass


@pytest.mark.parametrize("thing", [None, 7, "text", {}, object()])
def test_other_objects_are_rejected(thing: Any) -> None:
    with pytest.raises(ConfigError, match="an agent has prepare, complete and parse") as caught:
        as_agent(thing)
    assert "async def" not in str(caught.value)


@pytest.mark.parametrize("thing", [not_async, len, lambda item: item])
def test_a_function_that_is_not_async_is_rejected_with_the_fix(thing: Any) -> None:
    with pytest.raises(ConfigError, match="it is not async: define it with `async def`"):
        as_agent(thing)


@pytest.mark.parametrize("thing", [str, Echo])
def test_a_class_is_rejected_with_the_fix(thing: Any) -> None:
    with pytest.raises(ConfigError, match=rf"an instance, not a class; .* write {thing.__name__}\(\.\.\.\)"):
        as_agent(thing)


def test_an_agent_whose_run_async_is_not_async_is_refused() -> None:
    class Sync:
        def run_async(self, **inputs: Any) -> dict[str, Any]:
            return inputs

    with pytest.raises(ConfigError, match="it is not async"):
        as_agent(Sync())


def test_a_small_agent_is_recognized_by_its_run_async() -> None:
    assert isinstance(Echo(), SmallAgent)
    assert not isinstance(double, SmallAgent)
