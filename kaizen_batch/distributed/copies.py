"""The journal of a shard where the run folder has no locks: on this machine's disk, with a copy in the run folder.

The copy is made every half minute and at the end. Every two seconds the shard's claim says how many calls the journal
knows, so that the next run counts those that were lost with a machine, as far as the last beat before the loss.
"""

import asyncio
import hashlib
import logging
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from kaizen_batch.distributed import claims
from kaizen_batch.distributed.claims import Held, claimed, latest, taken
from kaizen_batch.distributed.folder import Folder
from kaizen_batch.distributed.plan import Plan
from kaizen_batch.errors import JournalError, RecordError
from kaizen_batch.journal import Journal
from kaizen_batch.journal.lost import add_lost_calls
from kaizen_batch.metrics import RunMetrics

COPY_EVERY_S = 30.0

logger: logging.Logger = logging.getLogger(__name__)


def journal_name(shard: int) -> str:
    """The journal of a shard under way, in the run folder."""
    return f"journals/{shard:04d}.db"


def journal_path(folder: Folder, plan: Plan, shard: int) -> Path:
    """Where a shard writes its journal: in a local run folder, else on this machine's disk."""
    if not folder.is_remote:
        path = Path(getattr(folder, "path", folder.name)) / journal_name(shard)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path
    mark = hashlib.sha256(f"{folder.name}\0{plan.question}".encode()).hexdigest()[:16]
    path = Path(tempfile.gettempdir()) / f"kaizen-batch-{os.getuid()}" / mark / journal_name(shard)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path


def committed_usd_of(journal: Path) -> float:
    """What the calls in a journal have cost and may have cost; 0.0 if there is none."""
    try:
        return Journal(journal).totals().committed_usd
    except JournalError:
        return 0.0


def committed_usd_in(folder: Folder, plan: Plan, shard: int) -> float:
    """The same for a shard that no process has now, wherever its journal is."""
    if not folder.is_remote:
        return committed_usd_of(journal_path(folder, plan, shard))
    _, claim = latest(folder, shard)
    with tempfile.TemporaryDirectory(prefix="kaizen-batch-") as scratch:
        copy = Path(scratch) / "copy.db"
        folder.fetch(journal_name(shard), copy)
        return max(committed_usd_of(copy), 0.0 if claim is None else claim.usd)


class ShardJournal(NamedTuple):
    """The journal of a shard: its run folder, its number, where it is on this machine."""

    folder: Folder
    shard: int
    path: Path

    @asynccontextmanager
    async def kept(self, metrics: Callable[[], RunMetrics | None]) -> AsyncIterator[None]:
        """Have the journal here for this process alone, and copy it, while the block lasts.

        `metrics` are those of the run, as soon as it has some. Raises: JournalError if another process has the shard,
        or took it over.
        """
        if not self.folder.is_remote:
            yield
            return
        # Before the claim: a second process of this machine must not take it from the first.
        with self._alone_here():
            held = await claimed(self.folder, self.shard, self.path)
            known = await asyncio.to_thread(self._restore, held)
            async with _Keeper(self, held, known, metrics).keeping():
                yield

    @contextmanager
    def _alone_here(self) -> Iterator[None]:
        """The kernel gives this lock back when the process dies. Raises: JournalError."""
        from filelock import FileLock, Timeout  # only a shard on a shared drive needs it

        lock = FileLock(self.path.with_suffix(".shard.lock"), blocking=False, mode=0o600)
        try:
            lock.acquire()
        except Timeout:
            raise taken(self.shard, "another process of this machine has it") from None
        try:
            yield
        finally:
            lock.release()

    def _restore(self, held: Held) -> tuple[int, float]:
        """Get the copy, if it knows of more calls, and count those that it lacks; the calls and dollars known then."""
        copy, was_kept = self.path.with_suffix(".copy"), held.was_here and self.path.exists()
        if self.folder.fetch(journal_name(self.shard), copy):
            if _known(copy)[0] > _known(self.path)[0]:
                copy.replace(self.path)
            copy.unlink(missing_ok=True)
        calls, usd = _known(self.path)
        lost = held.claim.calls - max(0, calls)
        if lost > 0 and not was_kept:
            add_lost_calls(self.path, lost, max(0.0, held.claim.usd - usd))
            logger.warning("%d calls of shard %d were lost with another machine, perhaps paid", lost, self.shard)
            calls, usd = _known(self.path)
        return max(0, calls), usd

    def copy(self) -> None:
        """Copy the journal to the run folder, if there is one. Raises: RecordError."""
        with tempfile.TemporaryDirectory(prefix="kaizen-batch-") as scratch, suppress(JournalError):
            copy = Path(scratch) / "journal.db"
            Journal(self.path).snapshot(copy)
            self.folder.put(journal_name(self.shard), copy)


def _known(journal: Path) -> tuple[int, float]:
    """The calls that a journal knows, and what they can have cost; -1 calls if there is none."""
    try:
        totals = Journal(journal).totals()
    except JournalError:
        return -1, 0.0
    return totals.attempts, totals.committed_usd


class _Keeper:
    """Beats and copies while a shard runs."""

    def __init__(
        self,
        journal: ShardJournal,
        held: Held,
        known: tuple[int, float],
        metrics: Callable[[], RunMetrics | None],
    ) -> None:
        self._journal = journal
        self._held = held
        self._calls, self._usd = known
        self._metrics = metrics
        self._lost: JournalError | None = None
        self._over = asyncio.Event()

    @asynccontextmanager
    async def keeping(self) -> AsyncIterator[None]:
        """The block is cancelled if another process takes the shard over."""
        running = asyncio.current_task()
        assert running is not None
        tasks = [asyncio.create_task(self._beat_on(running)), asyncio.create_task(self._copy_on())]
        try:
            yield
        except asyncio.CancelledError:
            if self._lost is None:
                raise
            running.uncancel()
            raise self._lost from None
        finally:
            self._over.set()  # not cancelled: a write that is under way must not come after the last one
            await asyncio.wait(tasks)
            if self._lost is None:
                await asyncio.to_thread(self._end)

    def _end(self) -> None:
        self._journal.copy()
        calls, usd = _known(self._journal.path)
        self._held.beat(max(0, calls), usd, over=True)

    async def _beat_on(self, running: "asyncio.Task[object]") -> None:
        while not self._over.is_set():
            try:
                with _retrying("the claim"):
                    await asyncio.to_thread(self._held.beat, *self._figures())
            except JournalError as error:
                self._lost = error
                running.cancel()
                return
            await self._sleep(claims.BEAT_S)

    async def _copy_on(self) -> None:
        await self._sleep(COPY_EVERY_S)
        while not self._over.is_set():
            with _retrying("the copy of the journal"):
                await asyncio.to_thread(self._journal.copy)
            await self._sleep(COPY_EVERY_S)

    async def _sleep(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._over.wait()

    def _figures(self) -> tuple[int, float]:
        """What the journal knows by now, without asking it: it may have millions of rows."""
        metrics = self._metrics()
        if metrics is None:
            return self._calls, self._usd
        under_way = sum(reservation.usd for reservation in tuple(metrics.calls_in_flight))
        return self._calls + metrics.calls, self._usd + metrics.cost_usd + under_way


@contextmanager
def _retrying(what: str) -> Iterator[None]:
    """A store that does not answer now may do so the next time."""
    try:
        yield
    except (RecordError, OSError) as error:
        logger.warning("%s could not be written to the run folder, and is tried again: %s", what, error)
