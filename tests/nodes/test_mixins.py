"""What the mixins add: log records, performance figures, classified errors."""

import json
import logging
from typing import Any

import pytest

from kaizen_batch import AgentError, BaseAgent, BatchProcessorAgent, KaizenBatchError, RetryPolicy, ServerError
from kaizen_batch.simulator import Simulator
from kaizen_batch.simulator.settings import error_reply

QUICK = RetryPolicy(wait_initial=0.001, wait_max=0.005)
LOGGER = "kaizen_batch.agent"


def agent_for(simulator: Simulator, **options: Any) -> BatchProcessorAgent:
    return BatchProcessorAgent(base_url=simulator.base_url, retry=QUICK, **{"max_concurrent": 1, **options})


def records(caplog: pytest.LogCaptureFixture, event: str) -> list[dict[str, Any]]:
    return [vars(r) for r in caplog.records if r.name == LOGGER and getattr(r, "event", None) == event]


class Own(Exception):
    """An error of a service of the user's."""


class Flaky(BaseAgent):
    """Fails twice for each item, then answers."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self.calls: dict[str, int] = {}
        super().__init__(*args, **options)

    async def run_async(self, text: str) -> dict[str, Any]:
        self.calls[text] = self.calls.get(text, 0) + 1
        if self.calls[text] < 3:
            raise Own("try again")
        return {"loud": text.upper()}


class Patient(Flaky):
    """The same, and it knows that its error passes."""

    def classify_error(self, error: Exception) -> KaizenBatchError:
        return ServerError("busy", code="own_busy") if isinstance(error, Own) else super().classify_error(error)


def test_records_carry_structured_fields(
    simulator: Simulator, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kaizen_batch.observers.logs._throttles_logged", {})  # of other tests in the last minute
    caplog.set_level("DEBUG", logger=LOGGER)
    simulator.reply_with(error_reply(429, "slow_down"), error_reply(400, "invalid_value"))
    agent = agent_for(simulator)
    agent.execute(batch=["a", "b"])
    [started] = records(caplog, "BatchStarted")
    [throttled] = records(caplog, "Throttled")
    [finished] = records(caplog, "BatchFinished")
    assert (started["node"], started["total"], started["max_concurrent"]) == (agent.id, 2, 1)
    assert (throttled["levelno"], throttled["code"]) == (logging.WARNING, "slow_down")
    assert (finished["levelno"], finished["ok"], finished["failed"], finished["calls"]) == (logging.INFO, 1, 1, 3)
    failures = [r for r in records(caplog, "ItemFinished") if r["levelno"] == logging.WARNING]
    assert [(r["code"], r["retryable"]) for r in failures] == [("invalid_value", False)]


def test_no_prompt_answer_or_message_is_logged_above_debug(
    simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    simulator.reply_with(error_reply(500, "server_error", "MESSAGE"), error_reply(400, "invalid_value", "MESSAGE"))
    agent_for(simulator).execute(batch=[{"prompt": "PROMPT one"}, {"prompt": "PROMPT two"}, {"other": "PROMPT"}])
    ours = [r for r in caplog.records if r.name.startswith("kaizen_batch")]
    assert ours
    text = json.dumps([{**vars(r), "said": r.getMessage()} for r in ours], default=str)
    assert not [word for word in ("PROMPT", "MESSAGE", "mock answer") if word in text]


def test_an_error_message_is_logged_at_debug(simulator: Simulator, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", logger=LOGGER)
    simulator.reply_with(error_reply(400, "invalid_value", "MESSAGE"))
    agent_for(simulator).execute(batch=["a"])
    debug = [r for r in records(caplog, "ItemFinished") if r["levelno"] == logging.DEBUG]
    assert ["MESSAGE" in r["error_message"] for r in debug] == [True]


def test_a_stopped_run_is_one_error_line_and_not_one_for_each_item(
    simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger=LOGGER)
    simulator.reply_with(error_reply(401, "invalid_api_key"))
    agent_for(simulator).execute(batch=["x"] * 50)
    [finished] = records(caplog, "BatchFinished")
    assert (finished["levelno"], finished["not_attempted"]) == (logging.ERROR, 49)
    assert len(records(caplog, "ItemFinished")) == 1


def test_performance_adds_up_over_runs() -> None:
    with Simulator(latency_s=0.002) as simulator:
        agent = agent_for(simulator, max_concurrent=5)
        assert agent.performance()["items"] == 0
        for _ in range(2):
            agent.execute(batch=["some prompt of a few words"] * 10)
    figures = agent.performance()
    assert (figures["items"], figures["in_flight"]) == (20, 0)
    assert figures["items_per_s"] > 0
    assert 0.001 < figures["latency_p50_s"] <= figures["latency_p95_s"] <= figures["latency_p99_s"]
    assert figures["latency_p99_s"] <= figures["latency_max_s"]
    tokens = sum(entry.tokens for entry in simulator.ledger.entries)
    assert figures["input_tokens"] + figures["output_tokens"] == tokens


def test_performance_counts_runs_with_run_time_options_too(simulator: Simulator) -> None:
    agent = agent_for(simulator, max_concurrent=2)
    agent.execute(batch=["a", "b"], max_concurrent=1)
    assert agent.performance()["items"] == 2


async def test_performance_knows_the_calls_in_flight() -> None:
    with Simulator(latency_s=0.005) as simulator:
        agent = agent_for(simulator, max_concurrent=4)
        async with agent.stream(["x"] * 20) as run:
            async for _ in run:
                break
            assert 0 < agent.performance()["in_flight"] <= 4
    assert agent.performance()["in_flight"] == 0


def test_a_foreign_error_fails_the_item_at_once() -> None:
    agent = Flaky(retry=QUICK)
    [result] = agent.execute(batch=[{"text": "a"}])["results"]
    assert (result["error"]["type"], result["error"]["code"]) == ("AgentError", "agent_failed")
    assert agent.calls == {"a": 1}


def test_classify_error_of_a_subclass_decides_about_retries() -> None:
    agent = Patient(retry=QUICK)
    results = agent.execute(batch=[{"text": "a"}, {"text": "b"}])["results"]
    assert [r["loud"] for r in results] == ["A", "B"]
    assert agent.calls == {"a": 3, "b": 3}


def test_classify_error_of_a_subclass_names_the_error_of_an_item() -> None:
    agent = Patient(retry={"attempts": 1})
    [result] = agent.execute(batch=[{"text": "a"}])["results"]
    assert (result["error"]["code"], result["error"]["message"]) == ("own_busy", "busy")


def test_error_result_is_the_dict_of_a_failed_item() -> None:
    result = Patient().error_result(Own("x"), index=3, batch=True)
    assert (result["index"], result["batch"], result["status"]) == (3, True, "error")
    assert result["error"]["code"] == "own_busy"
    assert Patient().error_result(KeyError("x"))["error"]["type"] == AgentError.__name__


def test_a_base_agent_without_run_async_says_so() -> None:
    class Empty(BaseAgent):
        """No work."""

    [result] = Empty().execute(batch=["x"])["results"]
    assert "Empty has no run_async" in result["error"]["message"]


def test_a_sink_of_the_users_that_raises_costs_neither_figures_nor_logs() -> None:
    def broken(event: Any) -> None:
        raise ValueError("a broken sink")

    agent = BatchProcessorAgent(llm_provider="mock", on_event=broken)
    agent.execute(batch=["a"] * 10)
    assert agent.performance()["items"] == 10


def test_run_time_options_keep_the_state_of_a_subclass() -> None:
    class Scaled(BaseAgent):
        factor = 1

        async def run_async(self, **inputs: Any) -> dict[str, Any]:
            return {"y": inputs["x"] * self.factor}

    agent = Scaled()
    agent.factor = 3
    assert agent.execute(batch=[{"x": 2}], max_concurrent=2)["results"][0]["y"] == 6
