"""A dead endpoint causes a bounded number of calls; if it comes back, it gets the rest of the batch."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kaizen_batch import NoAnswerError, ServerError
from kaizen_batch.simulator import Simulator
from kaizen_batch.simulator.endpoint import Endpoint

virtual = pytest.mark.looptime(start=0)
ITEMS = [f"item {number}" for number in range(300)]
FAILING, PROBES = 5, 8  # items that open the circuit, pauses until the endpoint is given up


def dead_between(start: float, end: float, error: type[Exception] = ServerError) -> Callable[[float], None]:
    def fails(now: float) -> None:
        if start <= now < end:
            raise error("down")

    return fails


@virtual
@pytest.mark.parametrize("error", [ServerError, NoAnswerError])
@pytest.mark.parametrize("max_concurrent", [1, 10, 50])
async def test_a_dead_endpoint_costs_the_first_wave_and_eight_probes(
    ask_provider: Any, virtual_endpoint: Any, error: type[Exception], max_concurrent: int
) -> None:
    endpoint = virtual_endpoint(fails=dead_between(0, 1e9, error))
    batch = await ask_provider(endpoint, ITEMS, max_concurrent=max_concurrent)
    assert len(endpoint.starts) == batch.summary.calls <= max_concurrent + 5 * FAILING + PROBES
    assert batch.summary.stopped.startswith("EndpointDownError: the endpoint failed every call")
    assert (batch.summary.ok, batch.summary.failed + batch.summary.not_attempted) == (0, len(ITEMS))
    assert batch.summary.not_attempted >= len(ITEMS) - 2 * max_concurrent - 2 * FAILING
    assert batch.summary.elapsed_s < 300


@pytest.mark.usefixtures("short_pauses")
@pytest.mark.parametrize("mode", ["500", "torn"])
async def test_over_http_a_dead_endpoint_is_given_up_and_its_items_run_when_it_is_back(
    ask: Any, assert_right: Any, tmp_path: Path, mode: str
) -> None:
    with Simulator() as simulator:
        simulator.down, simulator.down_mode = True, mode
        first = await ask(simulator, ITEMS[:100], journal=tmp_path / "run.db", max_concurrent=10)
        assert simulator.ledger.calls <= 10 + 5 * FAILING + PROBES
        assert "EndpointDownError" in first.summary.stopped
        assert "journal=" in first.summary.stopped
        assert (first.summary.ok, first.summary.failed + first.summary.not_attempted) == (0, 100)
        simulator.down = False
        second = await ask(simulator, ITEMS[:100], journal=tmp_path / "run.db", max_concurrent=10)
    assert_right(second, ITEMS[:100])
    assert set(simulator.ledger.billed_by_prompt().values()) == {1}
    assert simulator.ledger.billed == 100


@virtual
@pytest.mark.parametrize("seconds", [5, 60, 150])
async def test_an_outage_is_waited_out_and_fails_no_item(
    ask_provider: Any, assert_right: Any, virtual_endpoint: Any, seconds: int
) -> None:
    endpoint = virtual_endpoint(fails=dead_between(5, 5 + seconds))
    batch = await ask_provider(endpoint, ITEMS, max_concurrent=20)
    assert_right(batch, ITEMS)
    # Answers in flight when the endpoint died reset the count of failures, so the first wave is two.
    assert batch.summary.calls <= len(ITEMS) + 2 * 20 + FAILING + PROBES
    assert batch.summary.elapsed_s < 5 + 2 * seconds + 60


@pytest.mark.usefixtures("short_pauses")
async def test_over_http_an_outage_leaves_every_answer_right_and_repeats_few_calls(
    ask: Any, assert_right: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusal = Endpoint._refusal

    def down_for_some_calls(endpoint: Endpoint, *call: Any) -> Any:
        endpoint.down = 50 <= endpoint.ledger.calls < 65
        return refusal(endpoint, *call)

    monkeypatch.setattr(Endpoint, "_refusal", down_for_some_calls)
    with Simulator(latency_s=0.02) as simulator:
        batch = await ask(simulator, ITEMS[:100], max_concurrent=10)
    assert_right(batch, ITEMS[:100])
    assert set(simulator.ledger.billed_by_prompt().values()) == {1}
    assert 100 < simulator.ledger.calls == batch.summary.calls <= 100 + 15


@virtual
@pytest.mark.parametrize("budget", [0, 100, 500])
async def test_all_retries_of_a_run_together_stay_within_their_budget(
    ask_provider: Any, virtual_endpoint: Any, budget: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kaizen_batch.limits.circuit_breaker._FAILING_ITEMS", 10**6)  # the breaker has tests of its own
    dice = random.Random(3)

    def fails(now: float) -> None:
        if dice.random() < 0.6:
            raise ServerError("stumbled")

    endpoint, items = virtual_endpoint(fails=fails), [f"item {number}" for number in range(1000)]
    batch = await ask_provider(endpoint, items, max_concurrent=20, retry={"budget": budget})
    # A success pays back what its item spent, so only the retries of failed items count; each costs five.
    in_vain = sum(result["attempts"] - 1 for result in batch.failed)
    assert 5 * in_vain <= budget + batch.summary.ok
    assert batch.summary.ok + batch.summary.failed == len(items)
    assert len(endpoint.starts) == batch.summary.calls
    assert batch.summary.amplification < 1.6 + budget / 5 / len(items)


@pytest.mark.usefixtures("short_pauses")
async def test_over_http_an_endpoint_that_fails_six_calls_of_ten_is_not_flooded(ask: Any, statuses: Any) -> None:
    with Simulator(rate_500=0.6) as simulator:
        batch = await ask(simulator, ITEMS[:150], max_concurrent=20, retry={"budget": 100, "wait_initial": 0.0})
    assert simulator.ledger.calls == batch.summary.calls <= 2 * len(ITEMS[:150])
    assert simulator.ledger.billed == batch.summary.ok
    assert set(simulator.ledger.billed_by_prompt().values()) == {1}
