"""What Kailash's cancellation does to paid work, and what to use instead; see docs/kailash.md."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kailash.runtime.cancellation import CancellationToken
from kailash.runtime.local import LocalRuntime
from kailash.sdk_exceptions import WorkflowCancelledError

from kaizen_batch import BatchProcessorAgent, Event, ItemFinished
from kaizen_batch.simulator import Simulator

ITEMS = [f"item {number}" for number in range(20)]


def execute(simulator: Simulator, token: CancellationToken | None = None, **options: Any) -> dict[str, Any]:
    """Run a workflow; a token is cancelled as soon as one item is finished."""
    on_event = cancelling(token) if token is not None else None
    where = {"endpoint": simulator.base_url, "api_key": "any", "max_concurrent": 1}
    builder = BatchProcessorAgent(**where, batch=ITEMS, on_event=on_event, **options).to_workflow("ask")
    builder.add_node("JoinResultsNode", "join", {"rows": ITEMS})
    builder.add_connection("ask", "results", "join", "results")
    with LocalRuntime(enable_monitoring=False) as runtime:
        results, _ = runtime.execute(builder.build(), cancellation_token=token)
    return results  # type: ignore[no-any-return]


def cancelling(token: CancellationToken) -> Callable[[Event], None]:
    def sink(event: Event) -> None:
        if isinstance(event, ItemFinished):
            token.cancel()

    return sink


def test_a_cancelled_workflow_has_paid_for_the_whole_batch_and_returns_nothing(simulator: Simulator) -> None:
    with pytest.raises(WorkflowCancelledError):
        execute(simulator, CancellationToken())
    assert simulator.ledger.billed == len(ITEMS)


def test_with_a_journal_the_paid_answers_are_there_next_time(simulator: Simulator, tmp_path: Path) -> None:
    with pytest.raises(WorkflowCancelledError):
        execute(simulator, CancellationToken(), journal=tmp_path / "run.db")
    results = execute(simulator, journal=tmp_path / "run.db")
    assert simulator.ledger.billed == len(ITEMS)
    assert (results["ask"]["summary"]["calls"], len(results["join"]["data"])) == (0, len(ITEMS))


def test_a_deadline_ends_the_batch_and_returns_what_is_done() -> None:
    with Simulator(latency_s=0.05) as simulator:
        results = execute(simulator, deadline_s=0.2, grace_s=5)
        summary = results["ask"]["summary"]
        assert "DeadlineError" in summary["stopped"]
        assert simulator.ledger.billed == summary["ok"] < len(ITEMS)
    assert len(results["join"]["data"]) == summary["ok"]
