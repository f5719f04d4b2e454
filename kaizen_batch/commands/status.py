"""`kaizen-batch status`: what a journal knows of its runs, in a few lines; also while a run writes to it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from kaizen_batch.commands.command import Command, json_option, put_json, show_lines
from kaizen_batch.distributed import merged_journal, open_folder, shard_states
from kaizen_batch.distributed.plan import PLAN
from kaizen_batch.errors import ConfigError
from kaizen_batch.files.names import stem_of
from kaizen_batch.journal import Journal, Run, Totals
from kaizen_batch.results.texts.batches import batch_lines, figures_of
from kaizen_batch.results.texts.numbers import at_least, count, counted, duration, moment, usd
from kaizen_batch.results.texts.summary import Ending, Line, billing_text, sentences
from kaizen_batch.results.texts.waits import Waits, with_noun

SUFFIX: str = ".journal.db"
_ENDINGS = (".db", ".sqlite")
_COMPANIONS = (".failed", ".partial")


def find_journal(path: Path) -> Path:
    """The journal that is meant: the file itself, or the one beside the output that was named."""
    if path.name.endswith(_ENDINGS):
        return path
    stem = stem_of(str(path))
    for companion in _COMPANIONS:
        if stem.endswith(companion):
            output = Path(stem.removesuffix(companion))
            beside = sorted(output.parent.glob(f"{output.name}.*{SUFFIX}")) if output.parent.is_dir() else []
            if len(beside) == 1:
                return beside[0]
    beside_output = path.with_name(path.name + SUFFIX)
    return beside_output if beside_output.is_file() else path


def _found(path: Path) -> Path:
    """The journal that is meant. Raises: ConfigError that says what was looked for."""
    journal = find_journal(path)
    if not journal.exists():
        beside = "" if journal.name.endswith(_ENDINGS) else f", nor a journal {path.name}{SUFFIX} beside it"
        raise ConfigError(f"there is no file {str(path)!r}{beside}: name the output of a run, or its journal")
    if journal == path and path.is_file() and not _is_database(path):
        raise ConfigError(
            f"{str(path)!r} is no journal, and there is no {path.name}{SUFFIX} beside it: name the output of a run"
            " (not its input), or its journal"
        )
    return journal


def _is_database(path: Path) -> bool:
    """Whether it may be a journal: an SQLite file, an empty one, or one whose beginning is damaged."""
    if path.name.endswith(_ENDINGS):
        return True
    with path.open("rb") as file:
        return file.read(16) in (b"SQLite format 3\0", b"")


@contextmanager
def journal_at(path: Path | str) -> Iterator[Path]:
    """The journal that is meant, or that of all shards of a run folder; inside of the block."""
    if isinstance(path, str):
        with merged_journal(open_folder(path)) as merged:
            yield merged
        return
    yield path


def _journal_or_folder(ctx: click.Context, parameter: click.Parameter, text: str | None) -> Path | str | None:
    """A run folder as text, anything else as the path of a journal."""
    if text is None:
        return None
    if "://" in text or (Path(text) / PLAN).is_file():
        return text
    if Path(text).is_dir():
        raise click.BadParameter(f"{text!r} is a folder, and no run folder: there is no {PLAN} in it", ctx, parameter)
    return _found(Path(text))


JOURNAL_OR_FOLDER = click.argument("journal", metavar="JOURNAL", callback=_journal_or_folder)
"""A journal, the output beside it, or the run folder of shards."""

JOURNAL = click.argument(
    "journal",
    type=click.Path(path_type=Path, dir_okay=False),
    callback=lambda _, __, path: None if path is None else _found(path),
)
"""A journal, or the output beside it."""


@click.command("status", cls=Command)
@JOURNAL_OR_FOLDER
@json_option
def main(journal: Path | str, as_json: bool) -> None:
    """Show what a journal knows: answers by state, cost, and how far the last run is.

    \b
    Examples:
      kaizen-batch status labels.csv
      kaizen-batch status labels.csv.journal.db --json

    JOURNAL may also be the output of the run, or the run folder of shards. The command only reads, so it works while a
    run is in progress.
    """
    with journal_at(journal) as path, Journal(path) as opened:
        runs = opened.runs()
        samples = opened.samples(runs[-1]) if runs else []
        counts, totals = dict(opened.count()), opened.totals()
        batches = figures_of(opened.batches())
    shards = shard_states(open_folder(journal)) if isinstance(journal, str) else {}
    states = [*_states(counts, totals), *batch_lines(batches, datetime.now(UTC).timestamp())]
    lines = [*_shards(shards), *_run(runs, samples, totals), *states, *_money(totals), *_command(runs)]
    if as_json:
        # `spent_usd` is what is known of the cost; None is the cost of calls without a price.
        sums = {**totals.to_dict(), "cost_usd": None if totals.unpriced else totals.spent_usd}
        found = {"states": counts, "totals": sums, "last_run": _last(runs, samples), "batches": batches}
        texts = [f"{line.label}: {line.text}" if line.label else line.text for line in lines]
        found = {**found, "shards": shards} if shards else found
        put_json({"journal": str(journal), **found, "sentences": texts})
        return
    show_lines(lines, err=False)


def _shards(states: dict[str, list[int]]) -> Iterator[Line]:
    if states:
        total = sum(map(len, states.values()))
        parts = [f"{count(len(numbers))} {state}" for state, numbers in states.items() if numbers]
        yield Line("shards", f"{count(total)}: {', '.join(parts)}")


def _states(counts: dict[Any, int], totals: Totals) -> Iterator[Line]:
    failed = counts["failed"] + counts["unknown"] - totals.killed
    yield Line("requests", f"{count(counts['done'])} answered")
    for number, meaning in (
        (failed, "failed; the next run sends them again"),
        (totals.killed, "in flight when a run was killed; the next run sends them again"),
        (counts["in_flight"], "in flight now, or when a run was killed"),
        (counts["submitted"], "in a batch that the provider is working on"),
    ):
        if number:
            yield Line(" ", f"{count(number)} {meaning}")


def _money(totals: Totals) -> Iterator[Line]:
    paid = f"cost {at_least(totals.spent_usd, totals.unpriced)}; {counted(totals.attempts, 'call')}"
    without = f"; {counted(totals.unpriced, 'answered call')} without a price" if totals.unpriced else ""
    yield Line("all runs", f"{paid}{without}")
    if totals.under_way:
        at_most = f", up to {usd(totals.at_risk_usd)}" if totals.at_risk_usd else ""
        yield Line("at risk", f"{counted(totals.under_way, 'call')} under way{at_most}", "warn")
    if totals.unanswered:
        text = billing_text(totals.unanswered, totals.maybe_paid_twice, totals.unanswered_usd)
        yield Line("billing", text, "warn")


def _run(runs: list[Run], samples: list[dict[str, Any]], totals: Totals) -> Iterator[Line]:
    if not runs:
        yield Line("run", "no run has been recorded in this journal")
        return
    last = runs[-1]
    yield Line("run", f"{len(runs)}: started {moment(last.begun_at)}, {_state(last)}")
    if last.summary is None:
        if samples:
            yield Line(" ", _progress(samples[-1], _noun(last)))
        return
    waits = Waits()
    for sample in samples:
        waits.add(sample["elapsed_s"], sample.get("waiting_for"))
    ending = Ending(_noun(last), None, 1, waits.longest(), messages=True)
    yield from (line for line in sentences(last.summary, ending) if line.label != "billing")


def _noun(run: Run) -> str:
    return "row" if "input" in run.description.get("config", {}).get("labels", {}) else "item"


def _command(runs: list[Run]) -> Iterator[Line]:
    command = runs[-1].description.get("config", {}).get("labels", {}).get("command") if runs else None
    if command:
        yield Line("command", "of the last run:")
        yield Line("", command, "command")


def _state(run: Run) -> str:
    if run.ended_at is None:
        return "in progress, or killed"
    stopped = (run.summary or {}).get("stopped")
    return f"{'ended early' if stopped else 'ended'} after {duration(run.ended_at - run.begun_at)}"


def _progress(sample: dict[str, Any], noun: str) -> str:
    total = f" of {count(sample['total'])}" if sample.get("total") is not None else ""
    reason = sample.get("waiting_for")
    waiting = f", waiting for {with_noun(reason, noun)}" if reason else ""
    return (
        f"{count(sample['done'])}{total} done after {duration(sample['elapsed_s'])}: {count(sample['failed'])} failed,"
        f" {count(sample['from_journal'])} from the journal, {counted(sample['calls'], 'call')}{waiting}"
    )


def _last(runs: list[Run], samples: list[dict[str, object]]) -> dict[str, object] | None:
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
