"""The steps that make a batch at its provider, each on the disk before the next, so that any of them can be repeated.

Nothing at the provider is idempotent, so a step whose response was lost is looked for before it is repeated: an upload
by its name, a batch by its intent. A list may lag behind, so a batch is looked for twice, some time apart, before it
counts as not made. Where batches cannot be listed nobody can know: then its rows count as perhaps billed.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, TypeVar

from kaizen_batch.errors import ProviderError, ThrottledError
from kaizen_batch.journal import JournalWriter
from kaizen_batch.journal.batches import Batch, doubt_rows, save_batch
from kaizen_batch.providers.batch import UNLISTED, BatchApi, RemoteBatch
from kaizen_batch.strategies.batches.clock import Clock
from kaizen_batch.strategies.batches.part import file_of

T = TypeVar("T")

_ATTEMPTS = 12  # the waits between them grow to minutes
_LONGEST = 32.0  # in units of the first wait
_SKEW_S = 3600.0  # by how much the clocks of this machine and of the provider may differ
_LOOK_AGAIN = 3.0  # a list is looked at again after this part of the poll interval

logger: logging.Logger = logging.getLogger(__name__)


class Steps:
    """Carries batches from `ready` to `submitted`."""

    def __init__(self, api: BatchApi, journal: JournalWriter, clock: Clock, poll_s: float) -> None:
        self._api = api
        self._journal = journal
        self._clock = clock
        self._pause_s = poll_s / _LOOK_AGAIN

    async def make(self, batch: Batch) -> Batch:
        """The batch once it is submitted, or `dropped` where nobody can know. Raises: ProviderError."""
        if batch.state == "ready":
            batch = await self._uploaded(batch)
        if batch.state == "creating":  # of an earlier process, which cannot say whether its call was answered
            batch = await self._found(batch)
        if batch.state == "uploaded":
            batch = await self._created(batch)
        return batch

    async def save(self, batch: Batch, **changes: Any) -> Batch:
        """The batch with some changes, on the disk."""
        batch = replace(batch, **changes)
        await save_batch(self._journal, batch)
        return batch

    async def _uploaded(self, batch: Batch) -> Batch:
        name, path = batch.counts["name"], file_of(self._journal.path, batch)

        async def upload() -> str:
            return await self._api.find_upload(name) or await self._api.upload(path, name)

        return await self.save(batch, state="uploaded", input_file=await self._repeated(upload))

    async def _created(self, batch: Batch) -> Batch:
        """Make the batch; a call that may have made it is followed by a search, and only then by another call."""
        failure: ProviderError | None = None
        for attempt in range(_ATTEMPTS):
            batch, failure = await self._create_once(batch)
            if failure is None:
                return batch
            if not failure.retryable:
                raise failure
            await self._clock.sleep(failure.retry_after_s or self._backoff_s(attempt))
            if batch.state == "creating":
                batch = await self._found(batch)
            if batch.state != "uploaded":
                return batch
        assert failure is not None
        raise failure

    async def _create_once(self, batch: Batch) -> tuple[Batch, ProviderError | None]:
        """One call; after a failure the batch is `uploaded` if it was not made, `creating` if nobody knows."""
        batch = await self.save(batch, state="creating")
        try:
            return await self.submitted(batch, await self._api.create(batch.input_file or "", batch.intent)), None
        except ProviderError as error:
            failure = error
        if isinstance(failure, ThrottledError) or not failure.retryable:
            batch = await self.save(batch, state="uploaded")
        return batch, failure

    async def _found(self, batch: Batch) -> Batch:
        """The batch as it was found at the provider; `uploaded` if it was not made, `dropped` if nobody knows."""
        try:
            remote = await self._repeated(lambda: self._api.find(batch.intent, batch.begun_at - _SKEW_S))
            if remote is None:
                await self._clock.sleep(self._pause_s)
                remote = await self._repeated(lambda: self._api.find(batch.intent, batch.begun_at - _SKEW_S))
        except ProviderError as error:
            if error.code != UNLISTED:
                raise
            return await self._doubted(batch, error)
        return await (self.save(batch, state="uploaded") if remote is None else self.submitted(batch, remote))

    async def _doubted(self, batch: Batch, error: ProviderError) -> Batch:
        logger.warning("%d rows may have been billed in a batch that nobody can find: %s", batch.rows, error.message)
        batch = replace(batch, state="dropped", error=error.message)
        await doubt_rows(self._journal, batch)
        return await self.save(batch)

    async def submitted(self, batch: Batch, remote: RemoteBatch) -> Batch:
        """The batch with what its provider says of it."""
        counts = {**batch.counts, **remote.counts, "status": remote.status}
        state = "ended" if remote.has_ended else "submitted"
        counts["files"] = [remote.output_file, remote.error_file]
        error = "; ".join(f"{code}: {message}" for code, message in remote.errors[:3]) or batch.error
        return await self.save(
            batch, state=state, remote_id=remote.id, expires_at=remote.expires_at, counts=counts, error=error
        )

    async def _repeated(self, call: Callable[[], Awaitable[T]]) -> T:
        """What a call that may be repeated gives, after some attempts if need be. Raises: ProviderError."""
        for attempt in range(_ATTEMPTS - 1):
            try:
                return await call()
            except ProviderError as error:
                if not error.retryable:
                    raise
                await self._clock.sleep(error.retry_after_s or self._backoff_s(attempt))
        return await call()

    def _backoff_s(self, attempt: int) -> float:
        return self._pause_s * min(2.0**attempt, _LONGEST)
