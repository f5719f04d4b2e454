"""`--mode auto --finish-by`: whole runs over the simulator, whose hours pass on a virtual clock.

What the simulator bills is compared with the journal and the summary; a run that is late fails its test.
"""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from kaizen_batch import Journal
from kaizen_batch.commands.main import main
from kaizen_batch.nodes import BatchProcessorAgent
from tests.virtual_time import VirtualTime, virtual_time

ROWS = 60
HOUR = 3600.0
NO_FLEX = {"model": "gpt-4o-mini", "price_input": 0.15, "price_output": 0.6}
WITH_FLEX = {"model": "gpt-5-mini", "price_input": 0.25, "price_output": 2.0}

Options = dict[str, Any]


@pytest.fixture
def job(tmp_path: Path) -> list[str]:
    source = tmp_path / "in.csv"
    source.write_text("text\n" + "\n".join(f"row {number}" for number in range(ROWS)) + "\n")
    options = ["--mode", "auto", "--prompt", "{text}", "--batch-rows", "25", "--progress", "none", "--json"]
    return ["run", str(source), "--output", str(tmp_path / "out.csv"), *options]


def at_openai(kind: Options, **settings: Any) -> Any:
    return virtual_time(latency_s=2.0, **{name: kind[name] for name in kind if name != "model"}, **settings)


def run(virtual: VirtualTime, *words: str) -> Result:
    environment = {"OPENAI_BASE_URL": virtual.simulator.base_url, "OPENAI_API_KEY": "any"}
    return CliRunner().invoke(main, list(words), env=environment)


def check_rows(folder: Path) -> None:
    with (folder / "out.csv").open(newline="") as file:
        assert [row["result"] for row in csv.DictReader(file)] == [f"mock answer to: row {n}" for n in range(ROWS)]


def modes_of(virtual: VirtualTime) -> dict[str, int]:
    return {mode: number for mode, (number, _) in virtual.simulator.ledger.billed_by_mode().items()}


@pytest.mark.parametrize(
    ("kind", "finish_by_s", "more", "modes"),
    [
        (NO_FLEX, 6 * HOUR, (), {"live": 10, "batch": 50}),
        (WITH_FLEX, 6 * HOUR, ("--batch-price", "0.01", "0.02"), {"live": 10, "batch": 50}),
        (WITH_FLEX, 6 * HOUR, (), {"flex": 60}),  # as cheap as a batch, and sooner
        (WITH_FLEX, HOUR, ("--batch-price", "0.01", "0.02"), {"flex": 60}),  # too little for a batch
        (NO_FLEX, HOUR, (), {"live": 60}),
        (WITH_FLEX, 100, (), {"live": 60}),  # too little for flex as well
    ],
)
def test_the_cheapest_mode_that_is_done_in_time_is_taken(
    job: list[str], tmp_path: Path, kind: Options, finish_by_s: float, more: tuple[str, ...], modes: dict[str, int]
) -> None:
    with at_openai(kind, batch_s=HOUR) as virtual:
        done = run(virtual, *job, "--finish-by", f"{finish_by_s:.0f}s", "--model", kind["model"], *more)
        assert done.exit_code == 0, done.output
        assert modes_of(virtual) == modes
        assert virtual.ended_at <= finish_by_s
        totals = Journal(tmp_path / "out.csv.journal.db").totals()
        assert totals.maybe_paid_twice == 0
        if not more:  # else the user's price is not what the simulator bills
            assert totals.spent_usd == pytest.approx(virtual.simulator.ledger.usd)
        if "batch" not in modes:  # one run, which asked every row itself
            assert json.loads(done.stdout)["summary"]["cost_usd"] == pytest.approx(totals.spent_usd)
    check_rows(tmp_path)


def test_a_batch_that_will_not_make_it_is_cancelled_and_finished_live(job: list[str], tmp_path: Path) -> None:
    with at_openai(NO_FLEX, batch_s=11 * HOUR, batch_cancel_s=10.0) as virtual:
        done = run(virtual, *job, "--finish-by", "3h", "--model", NO_FLEX["model"])
        assert done.exit_code == 0, done.output
        modes = modes_of(virtual)
        # Two live times before the end, and a tenth of the batch's time is its validation: a fifth of it is done.
        assert 0 < modes["batch"] < 15
        assert modes["live"] + modes["batch"] == ROWS
        assert 2.9 * HOUR < virtual.ended_at <= 3 * HOUR
        totals = Journal(tmp_path / "out.csv.journal.db").totals()
        assert (totals.maybe_paid_twice, totals.at_risk_usd) == (0, 0.0)
        assert totals.spent_usd == pytest.approx(virtual.simulator.ledger.usd)
    check_rows(tmp_path)


def test_what_a_batch_that_is_left_behind_still_bills_is_counted_as_maybe_paid_twice(
    job: list[str], tmp_path: Path
) -> None:
    # One call at a time, so that the batches end while their rows are asked live.
    with at_openai(NO_FLEX, batch_s=11 * HOUR, batch_cancel_s=240.0) as virtual:
        done = run(virtual, *job, "--finish-by", "3h", "--model", NO_FLEX["model"], "--max-concurrent", "1")
        assert done.exit_code == 0, done.output
        ledger = virtual.simulator.ledger
        assert virtual.ended_at <= 3 * HOUR
        assert modes_of(virtual)["live"] == ROWS
        overlap = sum(count - 1 for count in ledger.billed_by_prompt().values())
        totals = Journal(tmp_path / "out.csv.journal.db").totals()
        assert 0 < overlap <= totals.maybe_paid_twice == 50
        _, live_usd = ledger.billed_by_mode()["live"]
        assert totals.spent_usd == pytest.approx(live_usd)
        assert ledger.usd <= totals.spent_usd + totals.maybe_paid_twice_usd
        summary = json.loads(done.stdout)["summary"]
        assert summary["maybe_paid_twice"] == 50
    check_rows(tmp_path)


def test_the_node_takes_the_cheapest_mode_and_finishes_live_in_time(tmp_path: Path) -> None:
    items = [f"row {number}" for number in range(ROWS)]
    with at_openai(NO_FLEX, batch_s=11 * HOUR, batch_cancel_s=10.0) as virtual:
        node = BatchProcessorAgent(
            base_url=virtual.simulator.base_url,
            api_key="any",
            model=NO_FLEX["model"],
            journal=tmp_path / "run.db",
            mode="auto",
            finish_by="3h",
            batches={"rows": 25},
        )
        found = node.execute(batch=items)
        assert [result["result"] for result in found["results"]] == [f"mock answer to: {item}" for item in items]
        assert virtual.ended_at <= 3 * HOUR
        assert 0 < modes_of(virtual)["batch"] < 15
        assert set(virtual.simulator.ledger.billed_by_prompt().values()) == {1}
        assert Journal(tmp_path / "run.db").totals().spent_usd == pytest.approx(virtual.simulator.ledger.usd)
