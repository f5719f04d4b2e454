"""`kaizen-batch status`: what a journal knows, in a few lines; also while a run writes to it."""

from datetime import datetime
from pathlib import Path
from typing import Any

import click

from kaizen_batch.commands.command import Command, duration, json_option, put_json, usd
from kaizen_batch.journal import Journal, Run, Totals

JOURNAL = click.argument("journal", type=click.Path(path_type=Path, dir_okay=False))

_STATES = {
    "done": "answered and saved",
    "failed": "failed; asked again by the next run",
    "unknown": "in flight when a run was killed; asked again, and may be paid twice",
    "in_flight": "in flight now, or when a run was killed",
}


@click.command("status", cls=Command)
@JOURNAL
@json_option
def main(journal: Path, as_json: bool) -> None:
    """Say what a journal knows: answers by state, money, and how far the last run came.

    \b
    Examples:
      kaizen-batch status labels.csv.journal.db
      kaizen-batch status labels.csv.journal.db --json

    It only reads, so it can be asked while a run is under way.
    """
    with Journal(journal) as opened:
        runs = opened.runs()
        samples = opened.samples(runs[-1]) if runs else []
        count, totals = dict(opened.count()), opened.totals()
    if as_json:
        found = {"states": count, "totals": totals.to_dict(), "last_run": _last(runs, samples)}
        put_json({"journal": str(journal), **found})
        return
    click.echo("\n".join([*_states(count), *_money(totals), *_run(runs, samples)]))


def _states(count: dict[Any, int]) -> list[str]:
    return [f"{state:10s}{count[state]:>10,}  {meaning}" for state, meaning in _STATES.items()]


def _money(totals: Totals) -> list[str]:
    lines = [f"calls     {totals.attempts:>10,}  {usd(totals.spent_usd)} spent"]
    if totals.unanswered:
        lines.append(
            f"unanswered{totals.unanswered:>10,}  calls without an answer, which may have been billed:"
            f" up to {usd(totals.unanswered_usd)}"
        )
    if totals.maybe_paid_twice:
        lines.append(
            f"twice?    {totals.maybe_paid_twice:>10,}  calls may have been paid twice: up to"
            f" {usd(totals.maybe_paid_twice_usd)}"
        )
    return lines


def _run(runs: list[Run], samples: list[dict[str, Any]]) -> list[str]:
    if not runs:
        return ["no run has been kept in this journal"]
    last = runs[-1]
    lines = [f"run {len(runs):<5d} {_when(last.begun_at)}, {_state(last)}"]
    if samples:
        lines.append(f"progress  {_progress(samples[-1])}")
    command = last.description.get("config", {}).get("labels", {}).get("command")
    return [*lines, f"command   {command}"] if command else lines


def _when(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment).astimezone():%Y-%m-%d %H:%M:%S}"


def _state(run: Run) -> str:
    if run.ended_at is None:
        return "under way, or killed"
    stopped = (run.summary or {}).get("stopped")
    return f"ended after {duration(run.ended_at - run.begun_at)}" + (f": {stopped}" if stopped else "")


def _progress(sample: dict[str, Any]) -> str:
    total = f" of {sample['total']:,}" if sample.get("total") is not None else ""
    waiting = f", waiting for {sample['waiting_for']}" if sample.get("waiting_for") else ""
    return (
        f"{sample['done']:,}{total} rows after {duration(sample['elapsed_s'])}: {sample['failed']:,} failed,"
        f" {sample['from_journal']:,} from the journal, {sample['calls']:,} calls{waiting}"
    )


def _last(runs: list[Run], samples: list[dict[str, Any]]) -> dict[str, Any] | None:
    if not runs:
        return None
    last = runs[-1]
    return {
        "number": len(runs),
        "begun_at": last.begun_at,
        "ended_at": last.ended_at,
        "description": last.description,
        "summary": last.summary,
        "progress": samples[-1] if samples else None,
    }
