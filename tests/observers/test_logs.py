"""The logging sink: structured records, nothing private above DEBUG."""

import json
import logging
from typing import Any

import pytest

from kaizen_batch import BatchConfig, BatchProcessorAgent, ParallelBatchStrategy, RetryPolicy, logging_sink
from kaizen_batch.agents import create_agent
from kaizen_batch.simulator import Simulator
from kaizen_batch.simulator.settings import error_reply

QUICK = RetryPolicy(wait_initial=0, wait_max=0.005)


async def run(simulator: Simulator, items: list[Any], sink: Any) -> None:
    config = BatchConfig(base_url=simulator.base_url, max_concurrent=1, retry=QUICK)
    await ParallelBatchStrategy.from_config(config, on_event=sink).run_batch(create_agent(config), items)


def fields(caplog: pytest.LogCaptureFixture, event: str) -> list[dict[str, Any]]:
    return [vars(record) for record in caplog.records if getattr(record, "event", None) == event]


async def test_a_run_leaves_structured_records(simulator: Simulator, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", logger="kaizen_batch.run")
    simulator.reply_with(error_reply(429, "slow_down"), error_reply(400, "invalid_value", "MESSAGE"))
    await run(simulator, ["a", "b"], logging_sink())
    assert {record.name for record in caplog.records if hasattr(record, "event")} == {"kaizen_batch.run"}
    [started] = fields(caplog, "BatchStarted")
    assert (started["levelno"], started["total"], started["max_concurrent"]) == (logging.INFO, 2, 1)
    assert started["message"] == "batch started total=2 max_concurrent=1"
    [throttled] = fields(caplog, "Throttled")
    assert (throttled["levelno"], throttled["code"]) == (logging.WARNING, "slow_down")
    calls = fields(caplog, "CallFinished")
    assert [(c["index"], c["attempt"], c["code"]) for c in calls] == [
        (0, 1, "slow_down"),
        (0, 2, "invalid_value"),
        (1, 1, None),
    ]
    failed, because = fields(caplog, "ItemFinished")
    assert (failed["levelno"], failed["code"]) == (logging.WARNING, "invalid_value")
    assert (because["levelno"], because["error_message"]) == (logging.DEBUG, "HTTP 400: MESSAGE")
    [finished] = fields(caplog, "BatchFinished")
    assert (finished["levelno"], finished["ok"], finished["failed"], finished["calls"]) == (logging.INFO, 1, 1, 3)


async def test_nothing_private_above_debug(simulator: Simulator, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    simulator.reply_with(error_reply(500, "server_error", "MESSAGE"), error_reply(401, "invalid_api_key", "MESSAGE"))
    await run(simulator, [{"prompt": "PROMPT"}, {"other": "PROMPT"}], logging_sink("my_app"))
    ours = [vars(record) for record in caplog.records if record.name == "my_app"]
    assert [record["event"] for record in ours] == ["BatchStarted", "ItemFinished", "ItemFinished", "BatchFinished"]
    assert ours[-1]["stopped"] == "AuthenticationError"
    assert not [word for word in ("PROMPT", "MESSAGE") if word in json.dumps(ours, default=str)]


def test_prompts_and_answers_are_not_even_in_debug_records(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", logger="mine")
    agent = BatchProcessorAgent(llm_provider="mock", on_event=logging_sink(logging.getLogger("mine")))
    agent.execute(batch=["PROMPT"])
    assert fields(caplog, "CallFinished")
    assert "PROMPT" not in json.dumps([vars(r) for r in caplog.records if r.name == "mine"], default=str)
