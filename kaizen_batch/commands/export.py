"""`kaizen-batch export`: the content of a journal, as JSON Lines."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from kaizen_batch.commands.command import Command, say
from kaizen_batch.commands.last_job import LastJob, UnknownRows
from kaizen_batch.commands.status import JOURNAL
from kaizen_batch.concurrency.sync import run_sync
from kaizen_batch.errors import KaizenBatchError
from kaizen_batch.files.names import BATCH_LINES, STANDARD
from kaizen_batch.files.openai_batch import input_line
from kaizen_batch.journal import STATES, Journal, State
from kaizen_batch.journal.files import real_path, replacing
from kaizen_batch.results.texts.numbers import count, counted
from kaizen_batch.results.texts.terminal import printable

_MISSING: tuple[State, ...] = ("failed", "unknown", "in_flight")


@click.command("export", cls=Command)
@JOURNAL
@click.option("--output", default=STANDARD, metavar="FILE", help="JSON Lines file.  [default: standard output]")
@click.option(
    "--format",
    "form",
    type=click.Choice(["journal", BATCH_LINES]),
    default="journal",
    show_default=True,
    help=f"{BATCH_LINES}: a batch input file of what is missing, rows that were never asked included.",
)
@click.option("--state", "states", multiple=True, type=click.Choice(STATES), help="Only in this state; repeatable.")
def main(journal: Path, output: str, form: str, states: tuple[State, ...]) -> None:
    """Write every request of a journal with its answer, error and cost, one JSON object per line.

    \b
    Examples:
      kaizen-batch export labels.csv.journal.db --state done --output answers.jsonl
      kaizen-batch export labels.csv.journal.db --format openai-batch --output missing.jsonl
      kaizen-batch export labels.csv.journal.db --state failed | jq -r .error.message | sort | uniq -c
    """
    if form == BATCH_LINES:
        _export_requests(journal, output, states)
        return
    wanted = states or STATES
    if output == STANDARD:
        for line in Journal(journal).lines(states=wanted):
            click.echo(printable(line.decode()) if sys.stdout.isatty() else line, nl=False)
        return
    lines = Journal(journal).export(output, states=wanted)
    say(f"wrote     {lines:,} lines to {output}")


class _Requests:
    """Requests as the lines of a batch input file; their keys are the custom_ids."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self.written = 0
        self.left_out = 0

    def add(self, key: bytes, request: str) -> None:
        """Write one, if a batch can hold it."""
        line = input_line(key.hex(), request)
        if line is None:
            self.left_out += 1
        else:
            self._write(line)
            self.written += 1


def _export_requests(path: Path, output: str, states: tuple[State, ...]) -> None:
    """Write the requests in these states as the input of a batch.

    Without states it is what is missing: requests without an answer, and rows of the input that no run has asked.
    """
    note = None
    with _lines_to(output) as write:
        requests = _Requests(write)
        for entry in Journal(path).entries(states or _MISSING):
            requests.add(entry.key, entry.request)
        if not states:
            note = run_sync(lambda: _add_never_asked(path, requests))
    if output != STANDARD:
        say(f"wrote     {counted(requests.written, 'request')} to {output}")
    if requests.left_out:
        say(f"left out  {count(requests.left_out)} that are no plain chat request, or hold media")
    if not states and (waiting := Journal(path).count()["submitted"]):
        say(f"left out  {count(waiting)} that wait in batches of the provider")
    if note is not None:
        say(note)


async def _add_never_asked(path: Path, requests: _Requests) -> str:
    """Add the rows that no run has asked; where they are from, or why they are not known."""
    number = 0
    try:
        job = LastJob(path)
        async for key, request in job.unasked():
            requests.add(key, request)
            number += 1
    except (UnknownRows, KaizenBatchError, click.ClickException) as error:
        return f"note      rows that were never asked may be missing: {getattr(error, 'message', error)}"
    return f"input     {counted(number, 'row')} of {job.input} that no run has asked"


@contextmanager
def _lines_to(output: str) -> Iterator[Callable[[bytes], object]]:
    """Writes lines to a file, which appears when all are written, or to standard output."""
    if output == STANDARD:
        yield lambda line: click.echo(line, nl=False)
        return
    with replacing(real_path(output)) as path, path.open("wb") as file:
        yield file.write
