"""`kaizen-batch export`: the content of a journal, as JSON Lines."""

import sys
from pathlib import Path

import click

from kaizen_batch.commands.command import Command, say
from kaizen_batch.commands.status import JOURNAL
from kaizen_batch.files.names import BATCH_LINES, STANDARD
from kaizen_batch.files.openai_batch import input_line
from kaizen_batch.journal import STATES, Journal, State
from kaizen_batch.journal.files import real_path, replacing
from kaizen_batch.results.texts.terminal import printable

_MISSING: tuple[State, ...] = ("failed", "unknown")


@click.command("export", cls=Command)
@JOURNAL
@click.option("--output", default=STANDARD, metavar="FILE", help="JSON Lines file.  [default: standard output]")
@click.option(
    "--format",
    "form",
    type=click.Choice(["journal", BATCH_LINES]),
    default="journal",
    show_default=True,
    help=f"{BATCH_LINES}: a batch input file of the requests without an answer.",
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
        _export_requests(Journal(journal), output, states or _MISSING)
        return
    wanted = states or STATES
    if output == STANDARD:
        for line in Journal(journal).lines(states=wanted):
            click.echo(printable(line.decode()) if sys.stdout.isatty() else line, nl=False)
        return
    lines = Journal(journal).export(output, states=wanted)
    say(f"wrote     {lines:,} lines to {output}")


def _export_requests(journal: Journal, output: str, states: tuple[State, ...]) -> None:
    """Write the requests in these states as the input of a batch; their keys are the custom_ids."""
    lines = [input_line(entry.key.hex(), entry.request) for entry in journal.entries(states)]
    found = [line for line in lines if line is not None]
    if output == STANDARD:
        click.echo(b"".join(found), nl=False)
    else:
        with replacing(real_path(output)) as path:
            path.write_bytes(b"".join(found))
        say(f"wrote     {len(found):,} requests to {output}")
    if len(found) < len(lines):
        say(f"left out  {len(lines) - len(found):,} that are no plain chat request, or hold media")
