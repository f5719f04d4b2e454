"""`kaizen-batch cancel`: end the batches of a journal at the provider."""

from pathlib import Path

import click

from kaizen_batch.commands.command import Command, in_flags, show_lines
from kaizen_batch.commands.exit_codes import Exit
from kaizen_batch.commands.status import JOURNAL
from kaizen_batch.concurrency.sync import run_sync
from kaizen_batch.config import BatchConfig, BatchSettings
from kaizen_batch.errors import ConfigError, ProviderError
from kaizen_batch.journal import Journal
from kaizen_batch.journal.batches import Batch
from kaizen_batch.providers import create_provider
from kaizen_batch.providers.batch import BatchApi, HasBatches
from kaizen_batch.results.texts.batches import batches_text
from kaizen_batch.results.texts.numbers import counted
from kaizen_batch.results.texts.summary import Line
from kaizen_batch.strategies.batches.cancelling import GONE, cancel_open, give_up


@click.command("cancel", cls=Command)
@JOURNAL
@click.option("--give-up", "gives_up", is_flag=True, help="Ask the rows again of batches that the provider lost.")
@click.pass_context
def main(ctx: click.Context, /, journal: Path, gives_up: bool) -> None:
    """Cancel the batches of a journal at their provider.

    \b
    Examples:
      kaizen-batch cancel labels.csv
      kaizen-batch cancel labels.csv.journal.db --give-up

    JOURNAL may also be the output of the run. What a batch has finished is billed; the next run collects it, and asks
    the rest again: with --mode live, to have it now. The key comes from OPENAI_API_KEY.

    With --give-up, rows of batches that the provider does not know any more count as perhaps billed, and are asked
    again by the next run.
    """
    lines, ok = run_sync(lambda: _cancel(Journal(journal), gives_up))
    show_lines(lines, err=False)
    ctx.exit(Exit.OK if ok else Exit.FAILED)


async def _cancel(journal: Journal, gives_up: bool) -> tuple[list[Line], bool]:
    lines, lost, failed = list[Line](), list[Batch](), False
    async for batch, error in cancel_open(journal, _api_at):
        if error is None:
            lines.append(Line("cancelled", f"{batch.remote_id}, {counted(batch.rows, 'row')}"))
        elif gives_up and error.status in GONE:
            lost.append(batch)
        else:
            failed = True
            lines.append(Line("failed", f"{batch.remote_id}: {_text(error)}", "bad"))
    if lost:
        rows = await give_up(journal, lost)
        lines.append(Line("given up", f"{batches_text(len(lost))}, {counted(rows, 'row')} to ask again"))
    if not lines:
        lines.append(Line("batches", "none is open at the provider"))
    return lines, not failed


def _text(error: ProviderError) -> str:
    hint = "; if the provider has lost it, add --give-up" if error.status in GONE else ""
    return f"{in_flags(error.message)}{hint}"


def _api_at(endpoint: str) -> BatchApi:
    provider = create_provider(BatchConfig(base_url=endpoint))
    if not isinstance(provider, HasBatches):
        raise ConfigError(f"the endpoint {endpoint} has no batches")
    return provider.batches(BatchSettings())
