"""`kaizen-batch export`: what a journal holds, as JSON Lines."""

from pathlib import Path

import click

from kaizen_batch.commands.command import Command, tell
from kaizen_batch.commands.status import JOURNAL
from kaizen_batch.files.names import STANDARD
from kaizen_batch.journal import STATES, Journal, State


@click.command("export", cls=Command)
@JOURNAL
@click.option("--output", default=STANDARD, metavar="FILE", help="JSON Lines file.  [default: standard output]")
@click.option("--state", "states", multiple=True, type=click.Choice(STATES), help="Only these; repeatable.")
def main(journal: Path, output: str, states: tuple[State, ...]) -> None:
    """Write every request of a journal, with its answer, error and cost, one JSON object a line.

    \b
    Examples:
      kaizen-batch export labels.csv.journal.db --state done --output answers.jsonl
      kaizen-batch export labels.csv.journal.db --state failed | jq -r .error.message | sort | uniq -c
    """
    wanted = states or STATES
    if output == STANDARD:
        for line in Journal(journal).lines(states=wanted):
            click.echo(line, nl=False)
        return
    lines = Journal(journal).export(output, states=wanted)
    tell(f"wrote    {lines:,} lines to {output}")
