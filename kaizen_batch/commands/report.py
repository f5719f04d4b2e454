"""`kaizen-batch report`: all runs of a journal as one HTML file."""

from pathlib import Path

import click

from kaizen_batch.commands.command import Command, say
from kaizen_batch.commands.status import JOURNAL


@click.command("report", cls=Command)
@JOURNAL
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="HTML file.  [default: the journal's name with .html]",
)
def main(journal: Path, output: Path | None) -> None:
    """Write what a journal knows of its runs as one HTML file: speed, limits, failures, cost, answers.

    \b
    Example:
      kaizen-batch report labels.csv --output report.html

    JOURNAL may also be the output of the run. The file opens anywhere, offline.
    Needs: pip install 'kaizen-batch[report]'
    """
    from kaizen_batch.report import write_report

    written = write_report(journal, output or journal.with_suffix(".html"))
    say(f"wrote     {written}")
