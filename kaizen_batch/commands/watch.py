"""`kaizen-batch watch`: a run's progress in the browser, while it goes on."""

from contextlib import suppress
from pathlib import Path

import click

from kaizen_batch.commands.command import Command
from kaizen_batch.commands.status import JOURNAL


@click.command("watch", cls=Command)
@JOURNAL
@click.option(
    "--port", default=0, type=click.IntRange(0, 65535), show_default=True, help="On 127.0.0.1; 0: a free one."
)
def main(journal: Path, port: int) -> None:
    """Show the run that writes a journal, in the browser, while it goes on; Ctrl-C ends the watching only.

    \b
    Example:
      kaizen-batch watch labels.csv.journal.db

    Needs: pip install 'kaizen-batch[report]'
    """
    from kaizen_batch.report import serve_report

    with suppress(KeyboardInterrupt):
        serve_report(journal, port=port, on_started=lambda url: click.echo(f"watch it at {url}  (Ctrl-C to end)"))
