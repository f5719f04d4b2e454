"""The end of batches that nobody wants any more."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace

from kaizen_batch.errors import ProviderError
from kaizen_batch.journal import Journal
from kaizen_batch.journal.batches import Batch, doubt_rows, save_batch
from kaizen_batch.providers.batch import BatchApi

ApiAt = Callable[[str], BatchApi]
"""The batches of the provider at an endpoint."""

GONE = (400, 404)
"""The statuses of a batch that the provider does not know."""


async def cancel_open(journal: Journal, api_at: ApiAt) -> AsyncIterator[tuple[Batch, ProviderError | None]]:
    """Ask the provider to end every open batch of a journal; each with the error that this met, if any.

    It only reads the journal, so a run may be waiting for them. What a batch has finished is billed, and collected by
    the next run.
    """
    for batch in journal.batches():
        if batch.is_open and batch.remote_id is not None:
            yield batch, await _error_of(batch, api_at(batch.endpoint))


async def _error_of(batch: Batch, api: BatchApi) -> ProviderError | None:
    try:
        async with api:
            remote = await api.status(batch.remote_id or "")
            if not remote.has_ended:
                await api.cancel(remote.id)
    except ProviderError as error:
        return error
    return None


async def give_up(journal: Journal, batches: list[Batch]) -> int:
    """Forget batches that their provider does not know: their rows may have been billed, and are asked again."""
    rows = 0
    async with journal.writing() as writer:
        for batch in batches:
            rows += journal.left_in(batch)[0]
            await doubt_rows(writer, batch)
            await save_batch(writer, replace(batch, state="dropped", error="given up"))
    return rows
