"""The engine's face: states, money, order, groups, cancellation."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from kaizen_batch.errors import JournalError
from kaizen_batch.journal import Entry, Journal, JournalWriter, StoredAnswer
from kaizen_batch.prices import Usage
from kaizen_batch.results import ItemError

KEY = bytes(32)
THROTTLED = ItemError("ThrottledError", "too fast", "rate_limit_exceeded", True)
TORN = ItemError("NoAnswerError", "torn", "no_answer", True)
INVALID = ItemError("InvalidOutputError", "no JSON", "invalid_output", True)


async def begin(journal: JournalWriter, key: bytes = KEY, item: int = 0) -> None:
    await journal.begin(key, item=item, request='{"n": 0}', at_risk_usd=0.25)


async def entry_of(journal: JournalWriter, key: bytes = KEY) -> Entry:
    entry = await journal.look_up(key)
    assert entry is not None
    return entry


def ledger(entry: Entry) -> tuple[Any, ...]:
    money = (entry.spent_usd, entry.unanswered, entry.unanswered_usd, entry.at_risk_usd)
    return (entry.state, entry.attempts, *money)


async def test_a_key_never_seen_is_none(path: Path) -> None:
    async with Journal(path).writing() as journal:
        assert await journal.look_up(KEY) is None


async def test_a_call_is_on_the_disk_before_it_is_sent(path: Path) -> None:
    async with Journal(path, clock=lambda: 7.0).writing() as journal:
        await journal.begin(KEY, item=3, request='{"n": 3}', at_risk_usd=0.25)
        with Journal(path) as reader:
            (entry,) = reader
        assert ledger(entry) == ("in_flight", 1, 0.0, 0, 0.0, 0.25)
        assert (entry.key, entry.item, entry.request, entry.begun_at, entry.ended_at) == (KEY, 3, '{"n": 3}', 7.0, None)
        assert entry.answer is None and entry.error is None


@pytest.mark.parametrize(
    "answer",
    [
        StoredAnswer(),
        StoredAnswer(
            "Paris", "stop", None, "gpt-x", "backup", {"city": "Zürich", "n": [1, None]}, Usage(12, 3, 8), 0.5
        ),
        StoredAnswer(text="half a pair \ud83d, a NUL \0, 漢字", refusal="no"),
        StoredAnswer(value=""),
        StoredAnswer(value=[float("inf")], usage=Usage()),
    ],
)
async def test_an_answer_comes_back_as_it_went_in(path: Path, answer: StoredAnswer) -> None:
    async with Journal(path).writing() as journal:
        await begin(journal)
        await journal.done(KEY, answer, spent_usd=0.125)
        entry = await entry_of(journal)
        assert entry.answer == answer
        assert ledger(entry) == ("done", 1, 0.125, 0, 0.0, 0.0)
        assert entry.ended_at is not None and entry.begun_at is not None and entry.ended_at >= entry.begun_at


async def test_a_call_that_failed_is_paid_if_it_was_answered(path: Path) -> None:
    async with Journal(path).writing() as journal:
        await begin(journal)
        journal.end_call(KEY, THROTTLED, spent_usd=0.5)
        entry = await entry_of(journal)
        assert ledger(entry) == ("failed", 1, 0.5, 0, 0.0, 0.0)
        assert entry.error == THROTTLED


async def test_a_call_without_an_answer_may_have_been_billed(path: Path) -> None:
    async with Journal(path).writing() as journal:
        await begin(journal)
        journal.end_call(KEY, TORN, may_be_billed=True)
        assert ledger(await entry_of(journal)) == ("unknown", 1, 0.0, 1, 0.25, 0.0)
        await journal.failed(KEY, TORN)
        assert ledger(await entry_of(journal)) == ("unknown", 1, 0.0, 1, 0.25, 0.0)
        await begin(journal)
        await journal.done(KEY, StoredAnswer("late"), spent_usd=0.5)
        entry = await entry_of(journal)
        assert ledger(entry) == ("done", 2, 0.5, 1, 0.25, 0.0)
        assert entry.error is None


async def test_a_final_failure_keeps_the_answer_that_was_of_no_use(path: Path) -> None:
    async with Journal(path).writing() as journal:
        await begin(journal)
        journal.unusable(KEY, INVALID, StoredAnswer("nonsense", "stop"), spent_usd=0.5)
        await journal.failed(KEY, INVALID)
        entry = await entry_of(journal)
        assert ledger(entry) == ("failed", 1, 0.5, 0, 0.0, 0.0)
        assert entry.answer == StoredAnswer("nonsense", "stop") and entry.error == INVALID


async def test_asking_again_what_is_done_keeps_the_old_answer_until_the_new_one(path: Path) -> None:
    async with Journal(path).writing() as journal:
        await begin(journal)
        await journal.done(KEY, StoredAnswer("one", refusal="r"), spent_usd=0.5)
        await begin(journal)
        entry = await entry_of(journal)
        assert ledger(entry) == ("in_flight", 2, 0.5, 0, 0.0, 0.25)
        assert entry.answer == StoredAnswer("one", refusal="r")
        await journal.done(KEY, StoredAnswer("two"), spent_usd=0.5)
        entry = await entry_of(journal)
        assert ledger(entry) == ("done", 2, 1.0, 0, 0.0, 0.0)
        assert entry.answer == StoredAnswer("two")


@pytest.mark.parametrize("late", [{"may_be_billed": True}, {"spent_usd": 0.5}, {"answer": StoredAnswer("late")}])
async def test_the_loser_of_two_calls_in_flight_is_counted_and_takes_nothing_away(
    path: Path, late: dict[str, Any]
) -> None:
    async with Journal(path).writing() as journal:
        await begin(journal)
        await begin(journal)
        assert ledger(await entry_of(journal)) == ("in_flight", 2, 0.0, 1, 0.25, 0.25)
        await journal.done(KEY, StoredAnswer("first"), spent_usd=0.5)
        if "answer" in late:
            journal.unusable(KEY, TORN, **late)
        else:
            journal.end_call(KEY, TORN, **late)
        entry = await entry_of(journal)
        spent = 0.5 + late.get("spent_usd", 0.0)
        assert ledger(entry) == ("done", 2, spent, 1, 0.25, 0.0)
        assert entry.answer == StoredAnswer("first") and entry.error is None


async def test_an_answer_without_a_begin_is_kept_all_the_same(path: Path) -> None:
    async with Journal(path).writing() as journal:
        await journal.done(KEY, StoredAnswer("paid"), spent_usd=0.5)
        entry = await entry_of(journal)
        assert (entry.state, entry.item, entry.spent_usd, entry.answer) == ("done", -1, 0.5, StoredAnswer("paid"))


async def test_a_request_with_half_a_surrogate_pair_does_not_stop_the_group(path: Path) -> None:
    async with Journal(path).writing() as journal:
        await asyncio.gather(
            journal.begin(KEY, item=0, request='"\udcff"'), journal.begin(b"2" * 32, item=1, request='"ü"')
        )
        assert (await entry_of(journal)).request == '"\udcff"'
        assert (await entry_of(journal, b"2" * 32)).request == '"ü"'


async def test_what_a_dead_run_left_in_flight_is_unknown(
    path: Path, crash: Callable[[Path, str], Path], key_of: Callable[[int], bytes]
) -> None:
    async with Journal(path).writing() as journal:
        await begin(journal)
        await begin(journal, key_of(1))
        await journal.done(key_of(1), StoredAnswer("kept"))
        left = crash(path, "left.db")
    assert Journal(left).count() == {"in_flight": 1, "submitted": 0, "done": 1, "failed": 0, "unknown": 0}
    Journal(left).accept_loss()
    async with Journal(left).writing() as journal:
        assert ledger(await entry_of(journal)) == ("unknown", 1, 0.0, 1, 0.25, 0.0)
        assert (await entry_of(journal, key_of(1))).state == "done"


async def test_many_that_wait_share_few_transactions(path: Path, key_of: Callable[[int], bytes]) -> None:
    async with Journal(path).writing() as journal:

        async def ask(item: int) -> None:
            await begin(journal, key_of(item), item)
            await journal.done(key_of(item), StoredAnswer("ok"))

        async with asyncio.TaskGroup() as group:
            for item in range(300):
                group.create_task(ask(item))
        assert journal.shared.store.commits <= 30
        entries = await asyncio.gather(*(journal.look_up(key_of(item)) for item in range(300)))
        assert [entry.item for entry in entries if entry is not None] == list(range(300))


async def test_operations_of_one_key_keep_their_order_within_a_group(path: Path, stall: Any) -> None:
    async with Journal(path).writing() as journal:
        stall.shut()
        plug = journal.begin(b"p" * 32, item=9, request="{}")
        await asyncio.sleep(0)
        seen = []
        for number in range(3):
            waiting = journal.begin(KEY, item=0, request="{}", at_risk_usd=0.25)
            journal.end_call(KEY, TORN, may_be_billed=True)
            seen.append(journal.look_up(KEY))
            done = journal.done(KEY, StoredAnswer(str(number)))
        stall.open()
        await asyncio.gather(plug, waiting, done)
        entries = [await look for look in seen]
        assert [ledger(entry)[:4] for entry in entries if entry] == [("unknown", n, 0.0, n) for n in (1, 2, 3)]
        assert ledger(await entry_of(journal)) == ("done", 3, 0.0, 3, 0.75, 0.0)


async def test_the_loop_goes_on_while_the_disk_stands_still(path: Path, stall: Any) -> None:
    async with Journal(path).writing() as journal:
        stall.shut()
        waiting = journal.begin(KEY, item=0, request="{}")
        turns = 0
        while not stall.reached.is_set() or turns < 100:
            await asyncio.sleep(0)
            turns += 1
        assert not waiting.done()
        stall.open()
        await waiting


async def test_a_lock_of_another_program_holds_up_the_writer_and_not_the_loop(path: Path) -> None:
    async with Journal(path).writing() as journal:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            waiting = journal.begin(KEY, item=0, request="{}")
            for _ in range(20):
                await asyncio.sleep(0.001)
            assert not waiting.done()
            other.execute("COMMIT")
            await waiting


async def test_what_is_cancelled_while_it_waits_is_written(path: Path, stall: Any) -> None:
    async with Journal(path).writing() as journal:
        stall.shut()
        task = asyncio.ensure_future(journal.begin(KEY, item=0, request="{}"))
        await asyncio.to_thread(stall.reached.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        stall.open()
        assert (await entry_of(journal)).state == "in_flight"


async def test_the_exit_writes_what_nobody_awaited_even_when_it_is_cancelled(path: Path, stall: Any) -> None:
    inside = asyncio.Event()

    async def run() -> None:
        async with Journal(path).writing() as journal:
            await begin(journal)
            stall.shut()
            journal.end_call(KEY, THROTTLED)
            inside.set()

    task = asyncio.create_task(run())
    await inside.wait()
    await asyncio.to_thread(stall.reached.wait)
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0)
    assert not task.done()
    stall.open()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert Journal(path).count()["failed"] == 1
    async with Journal(path).writing():  # and the lock is free
        pass


async def test_a_cancelled_opening_leaves_no_lock_and_no_thread(path: Path) -> None:
    task = asyncio.create_task(Journal(path).writing().__aenter__())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with Journal(path).writing():
        pass
    assert not [thread for thread in threading.enumerate() if "journal" in thread.name]


async def test_a_clean_end_leaves_one_file_and_its_lock(path: Path) -> None:
    async with Journal(path).writing() as journal:
        await begin(journal)
        assert path.with_name("run.db-wal").exists()
    assert sorted(file.name for file in path.parent.iterdir()) == ["run.db", "run.db.lock"]
    assert [file.stat().st_mode & 0o777 for file in path.parent.iterdir()] == [0o600, 0o600]


async def test_it_is_used_inside_its_with_only(path: Path) -> None:
    journal = Journal(path).writing()
    with pytest.raises(JournalError, match="async with") as caught:
        await journal.look_up(KEY)
    assert caught.value.code == "journal_closed"
    async with journal:
        await begin(journal)
    with pytest.raises(JournalError, match="async with"):
        journal.end_call(KEY, TORN)
    await journal.aclose()
