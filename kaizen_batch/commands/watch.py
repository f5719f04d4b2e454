"""`kaizen-batch watch`: a run's report in the browser, live."""

from contextlib import suppress
from pathlib import Path

import click

from kaizen_batch.commands.command import Command
from kaizen_batch.commands.status import JOURNAL


@click.command("watch", cls=Command)
@JOURNAL
@click.option(
    "--port", default=0, type=click.IntRange(0, 65535), show_default=True, help="Port on 127.0.0.1; 0: any free one."
)
def main(journal: Path, port: int) -> None:
    """Show the report of a journal in the browser, live; Ctrl-C ends only this command, not the run.

    \b
    Example:
      kaizen-batch watch labels.csv

    JOURNAL may also be the output of the run. The address carries a random token: other users of this machine cannot
    read the page. Needs: pip install 'kaizen-batch[report]'
    """
    from kaizen_batch.report import serve_report

    with suppress(KeyboardInterrupt):
        serve_report(journal, port=port, on_started=lambda url: click.echo(f"watching at {url}  (Ctrl-C to end)"))
