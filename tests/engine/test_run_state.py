"""The state of a run: who may still send, why the run ended, and what it counts."""

import pytest

from kaizen_batch import BatchConfig, ConfigError, MockProvider, NotAttemptedError, ServerError, StoppedError
from kaizen_batch.agents import create_agent
from kaizen_batch.errors import DeadlineError
from tests.engine.runs import run_state
from tests.engine.spies import model_agent


def with_fallback() -> object:
    config = BatchConfig(llm_provider="mock", fallbacks=("another",))
    return create_agent(config, None, MockProvider())


async def test_a_stopped_run_lets_no_call_through_and_keeps_its_first_reason() -> None:
    run = run_state()
    run.stop(DeadlineError("the time is over"))
    run.stop(StoppedError("too late"))
    assert run.stopped.is_set()
    assert isinstance(run.reason, DeadlineError)
    with pytest.raises(NotAttemptedError, match="the time is over"):
        run.upstreams[0].queue.try_acquire(run.upstreams[0].reservation(None, None, None))


async def test_a_drained_run_pulls_no_item_and_raises_no_failure() -> None:
    run = run_state(on_error="raise")
    assert run.raises
    run.drain(StoppedError("enough"))
    assert (run.source.exhausted, run.raises, run.ending) == (True, False, True)


async def test_the_run_ends_with_its_last_endpoint() -> None:
    run = run_state(with_fallback())
    first, second = run.upstreams
    run.give_up(first, ServerError("down"))
    assert run.reason is None
    assert first.error is not None and second.error is None
    run.give_up(second, ServerError("down too"))
    assert run.reason is not None and run.reason.message == "down too"


async def test_a_halted_run_has_no_reason() -> None:
    run = run_state()
    run.halt()
    assert run.reason is None and run.source.exhausted and run.stopped.is_set()


async def test_the_summary_says_why_the_run_ended_and_how_to_resume() -> None:
    run = run_state(journal="run.db")
    run.stop(DeadlineError("the time is over"))
    stopped = run.summary(1.0).stopped
    assert stopped is not None
    assert stopped.startswith("DeadlineError: the time is over; 0 items")
    assert "journal='run.db' to resume" in stopped


async def test_costs_are_known_only_if_every_endpoint_has_a_price() -> None:
    assert run_state().priced  # the mock is free
    assert not run_state(model_agent_without_price()).priced


def model_agent_without_price() -> object:
    agent = model_agent()
    agent.price = None
    return agent


def test_a_budget_without_a_price_is_rejected_before_the_run() -> None:
    with pytest.raises(ConfigError, match="budget_usd needs to know what"):
        run_state(model_agent_without_price(), budget_usd=1.0)
