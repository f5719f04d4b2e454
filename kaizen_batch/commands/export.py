"""`kaizen-batch export`: the content of a journal, as JSON Lines."""

import sys
from pathlib import Path

import click

from kaizen_batch.commands.command import Command, say
from kaizen_batch.commands.status import JOURNAL
from kaizen_batch.files.names import STANDARD
from kaizen_batch.journal import STATES, Journal, State
from kaizen_batch.texts.terminal import printable


@click.command("export", cls=Command)
@JOURNAL
@click.option("--output", default=STANDARD, metavar="FILE", help="JSON Lines file.  [default: standard output]")
@click.option("--state", "states", multiple=True, type=click.Choice(STATES), help="Only in this state; repeatable.")
def main(journal: Path, output: str, states: tuple[State, ...]) -> None:
    """Write every request of a journal with its answer, error and cost, one JSON object per line.

    \b
    Examples:
      kaizen-batch export labels.csv.journal.db --state done --output answers.jsonl
      kaizen-batch export labels.csv.journal.db --state failed | jq -r .error.message | sort | uniq -c
    """
    wanted = states or STATES
    if output == STANDARD:
        for line in Journal(journal).lines(states=wanted):
            click.echo(printable(line.decode()) if sys.stdout.isatty() else line, nl=False)
        return
    lines = Journal(journal).export(output, states=wanted)
    say(f"wrote     {lines:,} lines to {output}")
