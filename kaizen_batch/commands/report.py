"""`kaizen-batch report`: all runs of a journal as one HTML file."""

from pathlib import Path

import click

from kaizen_batch.commands.command import Command, say
from kaizen_batch.commands.status import JOURNAL_OR_FOLDER, SUFFIX, journal_at
from kaizen_batch.files.names import stem_of
from kaizen_batch.files.objects import is_url


@click.command("report", cls=Command)
@JOURNAL_OR_FOLDER
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="HTML file.  [default: OUTPUT's name with .report.html]",
)
def main(journal: Path | str, output: Path | None) -> None:
    """Write what a journal knows of its runs as one HTML file: speed, limits, failures, cost, answers.

    \b
    Example:
      kaizen-batch report labels.csv --output report.html

    JOURNAL may also be the output of the run, or the run folder of shards. The file opens anywhere, offline.
    Needs: pip install 'kaizen-batch[report]'
    """
    from kaizen_batch.report import write_report

    with journal_at(journal) as path:
        written = write_report(path, output or _default(journal))
    say(f"wrote     {written}")


def _default(journal: Path | str) -> Path:
    """Beside the journal: labels.report.html for labels.csv.journal.db, run.html for run.db; here for a URL."""
    if isinstance(journal, str):
        name = journal.rstrip("/")
        return Path(f"{name.rpartition('/')[2] if is_url(name) else name}.html")
    output = journal.name.removesuffix(SUFFIX)
    return (
        journal.with_suffix(".html") if output == journal.name else journal.with_name(f"{stem_of(output)}.report.html")
    )
