"""One item's way from input to result: prepare, look up, call, read, save. A run carries many."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, NoReturn

from kaizen_batch.agents import Loading
from kaizen_batch.agents.foreign_errors import as_batch_error
from kaizen_batch.engine.attempts import Attempts
from kaizen_batch.engine.calls import Calls
from kaizen_batch.engine.item import Item, cancelled
from kaizen_batch.engine.journaling import Record, completion_of, may_be_longer
from kaizen_batch.engine.outcomes import Outcomes
from kaizen_batch.engine.run_state import RunState
from kaizen_batch.errors import (
    InBatchError,
    JournalError,
    KaizenBatchError,
    NotAttemptedError,
    OutputError,
    StoppedError,
)
from kaizen_batch.journal import Entry, JournalWriter, StoredAnswer
from kaizen_batch.journal.canonical import key_of
from kaizen_batch.providers import Completion
from kaizen_batch.results import ItemResult


class Pipeline:
    """Carries the items of one run, each on its own.

    `process` returns a result for every item, even if it fails; only cancellation passes through, and BatchError
    if the run raises.
    """

    def __init__(self, run: RunState, calls: Calls) -> None:
        self._run = run
        self._journal = run.journal
        self._send = _without_calls(run) or (calls.hedged if run.config.hedge_after else calls.send)
        self._attempts = Attempts(run, self._send)
        self._outcomes = Outcomes(run)
        self._prepare = run.upstreams[0].agent.prepare
        self._replays = run.agent.replays
        self._in_progress: dict[bytes, asyncio.Future[ItemResult] | None] = {}

    def process(self, item: Item) -> Coroutine[Any, Any, ItemResult]:
        """One item, to its result."""
        try:
            item.request = self._prepare(item.inputs)  # as in `item.prepare`, without the cost of a call for each item
            if type(item.request) is Loading:
                return self._load(item)
            if self._journal is None:
                return self._execute(item)
            record = self._recorded(item, self._journal)
        except asyncio.CancelledError:
            return self._fail(item, cancelled("prepare"))
        except Exception as error:
            return self._fail(item, as_batch_error(error))
        return self._coalesce(item, record)

    async def _load(self, item: Item) -> ItemResult:
        """One item whose request has files that must be read first."""
        try:
            await item.load()
            record = None if self._journal is None else self._recorded(item, self._journal)
        except Exception as error:
            return await self._fail(item, as_batch_error(error))
        return await (self._execute(item) if record is None else self._coalesce(item, record))

    def _recorded(self, item: Item, journal: JournalWriter) -> Record:
        agent = item.upstream.agent
        item.body = body = agent.body(item.request)
        item.record = record = Record(journal, key_of(agent.canonical(item.request)), item.index, body)
        return record

    async def _coalesce(self, item: Item, record: Record) -> ItemResult:
        """Ask, unless the same request is in progress: then wait for its answer."""
        key, result = record.key, None
        if key in self._in_progress:
            return await self._await_first(item, key)
        self._in_progress[key] = None
        claimed = False
        try:
            claimed = (turn := record.claim()) is None or await self._wait_for(turn, item, record)
            result = await (self._look_up(item, record) if record.may_be_known else self._execute(item))
        finally:
            if claimed:
                record.release()
            pending = self._in_progress.pop(key)
            if pending is not None:
                pending.cancel() if result is None else pending.set_result(result)
        return result

    async def _wait_for(self, turn: "asyncio.Future[None]", item: Item, record: Record) -> bool:
        """Wait while other runs of this process ask the same; whether it is this run's turn then, and not its end."""
        stopped = asyncio.ensure_future(self._run.stopped.wait())
        try:
            with item.release_slot():
                while not stopped.done():
                    either: set[asyncio.Future[Any]] = {turn, stopped}
                    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
                    if turn.done():
                        again = record.claim()
                        if again is None:
                            return True
                        turn = again
        finally:
            stopped.cancel()
        return False

    async def _await_first(self, item: Item, key: bytes) -> ItemResult:
        """The result of the first item with this request."""
        pending = self._in_progress[key]
        if pending is None:
            pending = self._in_progress[key] = asyncio.get_running_loop().create_future()
        with item.release_slot():
            first = await asyncio.shield(pending)
        return self._outcomes.coalesced(item, first)

    async def _look_up(self, item: Item, record: Record) -> ItemResult:
        unusable: OutputError | None = None
        try:
            entry = await record.look_up()
            if entry is None:
                return await self._execute(item)
            answer = self._answer_that_counts(entry)
            if answer is not None:
                # Where the signature now asks for more than it did then, the answer must be a new one.
                try:
                    outputs = item.parse(completion_of(answer))
                    return self._outcomes.replayed(item, entry, outputs)
                except OutputError as error:
                    unusable = error
        except Exception as error:
            return await self._fail(item, as_batch_error(error))
        item.unanswered, item.unanswered_usd = entry.unanswered, entry.unanswered_usd
        if entry.state == "submitted":
            return self._outcomes.failed(item, InBatchError("the request waits for the answer of its batch"))
        if unusable is not None and entry.via == "batch":
            return await self._execute(item, self._rejected(item, entry, unusable))
        refusal = entry.error if self._replays else record.refused_in_this_run(entry)
        if refusal is not None:
            return self._outcomes.failed_before(item, entry, refusal)
        return await self._execute(item)

    def _rejected(self, item: Item, entry: Entry, error: OutputError) -> OutputError:
        """An answer that came in a batch and cannot be used: it was the item's first attempt."""
        assert entry.answer is not None
        item.completion, item.answered_by = completion_of(entry.answer), entry.answer.answered_by
        if item.record is not None:
            item.record.reject(error)
        return error

    def _answer_that_counts(self, entry: Entry) -> StoredAnswer | None:
        """The answer that the journal has, unless the user asks for a longer one."""
        answer = entry.answer if entry.state == "done" else None
        return None if answer is None or may_be_longer(self._run.agent, answer) else answer

    async def _execute(self, item: Item, failed: Exception | None = None) -> ItemResult:
        """Ask, to the item's result; `failed` is how an attempt ended that was made already."""
        try:
            try:  # nearly always this is all there is to do
                if failed is not None:
                    raise failed
                outputs = item.accept(await self._send(item))
            except Exception as error:
                outputs = await self._attempts.recover(item, error)
            if item.record is not None:
                await item.record.done(item.answer(), item.call_usd)
        except Exception as error:
            return await self._fail(item, as_batch_error(error))
        self._run.retries.earn(item.used)
        return self._outcomes.result_of(item, outputs)

    async def _fail(self, item: Item, error: KaizenBatchError) -> ItemResult:
        """The result of an item that has none, after its journal has it."""
        run = self._run
        if isinstance(error, StoppedError | JournalError):
            run.stop(error)
        if isinstance(error, StoppedError):
            error = run.not_attempted()
        elif item.record is not None and item.attempt and not isinstance(error, JournalError):
            try:
                await item.record.failed(error)
            except JournalError as broken:
                run.stop(broken)
        return self._outcomes.failed(item, error)


def _without_calls(run: RunState) -> Callable[[Item], Awaitable[Completion]] | None:
    """What is in the place of a call in a run that makes none."""
    return _waits if run.replays_only else _not_asked if run.agent.replays else None


async def _not_asked(item: Item) -> NoReturn:
    """In the place of a call, in a run that reads its journal alone."""
    raise NotAttemptedError("the journal has no answer for this item")


async def _waits(item: Item) -> NoReturn:
    """In the place of a call, in a run that makes none."""
    raise InBatchError("the request waits for its turn in a batch")
