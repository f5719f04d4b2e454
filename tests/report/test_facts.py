"""The report's figures against those of the runs that wrote the journal."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from kaizen_batch import BatchConfig, BatchResult, FileJob, Journal, run_job
from kaizen_batch.agents import create_agent
from kaizen_batch.journal import Run, Totals
from kaizen_batch.report.facts import Facts, RunFacts, read_facts
from kaizen_batch.report.page import render
from kaizen_batch.report.plots import plots
from kaizen_batch.report.texts import answered, asked
from kaizen_batch.simulator import Simulator
from tests.report.conftest import ITEMS
from tests.report.journals import COMMAND, ask


def test_each_run_has_its_own_figures(made: tuple[Path, list[BatchResult]], facts: Facts) -> None:
    _, batches = made
    # Of the summary that the caller gets the times are a little later, and sums of money may be rounded otherwise.
    loose = ("elapsed_s", "items_per_s", "maybe_paid_twice_usd")
    for run, batch in zip(facts.runs, batches, strict=True):
        assert {**run.figures, **dict.fromkeys(loose)} == {**batch.summary.to_dict(), **dict.fromkeys(loose)}
        assert run.figures["maybe_paid_twice_usd"] == pytest.approx(batch.summary.maybe_paid_twice_usd)
    assert [run.status for run in facts.runs] == ["stopped", "finished"]
    assert [run.total for run in facts.runs] == [ITEMS, ITEMS]
    assert facts.last is not None
    assert facts.last.config["labels"]["command"] == COMMAND


def test_every_answer_is_in_the_histogram_and_every_failure_has_its_kind(
    made: tuple[Path, list[BatchResult]], facts: Facts
) -> None:
    _, [_, second] = made
    ok = [result for result in second.results if result["status"] == "ok"]
    assert facts.details.latency.count == facts.count["done"] == len(ok)
    assert {kind.error.code: kind.items for kind in facts.failures if kind.items} == second.summary.failures
    unplayed = {"invalid_input": 0}
    stored = {kind.error.code: kind.requests for kind in facts.failures if kind.requests}
    assert {**second.summary.failures, **unplayed} == {**stored, **unplayed}
    assert sum(stored.values()) == facts.count["failed"] + facts.count["unknown"]


def test_the_slowest_and_the_sample_are_real_results(made: tuple[Path, list[BatchResult]], facts: Facts) -> None:
    _, [_, second] = made
    by_index = {result["index"]: result for result in second.results}
    slowest = sorted((result["latency_s"] for result in second.results if result["status"] == "ok"), reverse=True)
    found = [entry.answer.latency_s for entry in facts.details.slowest if entry.answer]
    assert found == sorted(found, reverse=True)
    assert found == pytest.approx(slowest[:10]) or len(slowest) > 10
    for entry in facts.details.answers:
        assert answered(entry) == by_index[entry.item]["response"] == f"mock answer to: {asked(entry)}"


def test_the_plots_add_up_to_the_summaries(made: tuple[Path, list[BatchResult]], facts: Facts) -> None:
    _, [first, second] = made
    line = facts.timeline
    assert line.at_s[-1] == pytest.approx(first.summary.elapsed_s + second.summary.elapsed_s, rel=0.05)
    assert line.cost_usd[-1] == pytest.approx((first.summary.cost_usd or 0) + (second.summary.cost_usd or 0))
    assert facts.totals.spent_usd == pytest.approx(line.cost_usd[-1])
    drawn = plots(facts)
    assert len(drawn["begins_s"]) == 1
    assert sum(drawn["latency"]["counts"]) == facts.count["done"]
    assert all(len(each["values"]) == len(drawn["at_s"]) for plot in drawn["over_time"] for each in plot["series"])


async def test_a_journal_without_a_run_is_empty(tmp_path: Path) -> None:
    async with Journal(tmp_path / "run.db").writing():
        pass
    facts = read_facts(Journal(tmp_path / "run.db"), 0.0)
    assert (facts.last, facts.totals, facts.failures) == (None, Totals(), [])


def test_a_run_without_an_end_runs_or_was_killed(tmp_path: Path) -> None:
    with Simulator() as simulator:
        asyncio.run(ask(simulator, tmp_path / "run.db", 30))
    with sqlite3.connect(tmp_path / "run.db") as connection:  # what a kill leaves
        connection.execute("UPDATE runs SET ended_at = NULL, summary = NULL, row_check = NULL")
    connection.close()
    journal = Journal(tmp_path / "run.db")
    [run] = journal.runs()
    seen_at = journal.samples(run)[-1]["moment"]
    soon, late = (read_facts(journal, seen_at + seconds).last for seconds in (1, 60))
    assert soon is not None
    assert late is not None
    assert (soon.status, late.status, late.seen_at) == ("running", "killed", seen_at)
    assert (soon.figures["ok"], soon.total) == (30, 30)
    with Simulator() as simulator:
        asyncio.run(ask(simulator, tmp_path / "run.db", 30))
    assert [run.status for run in read_facts(journal, seen_at + 1).runs] == ["killed", "finished"]


@pytest.mark.parametrize(
    ("total", "ok", "from_journal", "expected"),
    [(100, 50, 0, 10.0), (100, 50, 40, 50.0), (50, 50, 0, None), (100, 5, 5, None)],
)
def test_the_time_left_is_that_of_the_endpoint(total: int, ok: int, from_journal: int, expected: float | None) -> None:
    figures = {"ok": ok, "failed": 0, "from_journal": from_journal, "elapsed_s": 10.0}
    run = Run(b"", 0.0, None, {"total": total}, None)
    assert RunFacts(1, run, "running", 10.0, figures, None).left_s == expected


async def test_the_answers_are_those_of_the_last_output(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("text\n" + "".join(f"row {n}\n" for n in range(30)), encoding="utf-8")
    config = BatchConfig(llm_provider="mock", journal=tmp_path / "run.db")
    for template, limit in (("Old: {text}", None), ("New: {text}", None), ("New: {text}", 12)):
        job = FileJob(tmp_path / "in.csv", tmp_path / "out.csv", template=template, limit=limit)
        await run_job(job, create_agent(config), config)
        with Journal(config.journal or "") as journal:
            facts = read_facts(journal, 0.0)
        shown = [asked(entry) for entry in [*facts.details.answers, *facts.details.slowest]]
        assert len(shown) > 20 and all(template.partition(":")[0] in prompt for prompt in shown)
        assert facts.details.values == facts.details.answered == (limit or 30) and facts.details.of_last_run
        page = render(facts)
        assert f"All {limit or 30} answers" in page and ("of the last run." in page) == (len(facts.runs) > 1)
    assert facts.count["done"] == 60
