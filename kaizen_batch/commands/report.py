"""`kaizen-batch report`: the last run as one HTML file."""

from pathlib import Path

import click

from kaizen_batch.commands.command import Command, tell
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
    """Make one HTML file of what a journal knows of its runs: speed, limits, failures, money.

    \b
    Example:
      kaizen-batch report labels.csv.journal.db --output report.html

    It can be opened anywhere, without a network. Needs: pip install 'kaizen-batch[report]'
    """
    from kaizen_batch.report import write_report

    written = write_report(journal, output or journal.with_suffix(".html"))
    tell(f"wrote    {written}")
