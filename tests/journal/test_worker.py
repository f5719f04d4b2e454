"""The thread: groups of whatever waits, each owner told of its own, and one that lives on after an error."""

from collections.abc import Sequence
from pathlib import Path
from queue import Queue
from typing import Any

from kaizen_batch.errors import JournalError
from kaizen_batch.journal import statements
from kaizen_batch.journal.records import Entry
from kaizen_batch.journal.store import Operation, Store
from kaizen_batch.journal.worker import Worker


class Told:
    """An owner that keeps what it was told."""

    def __init__(self) -> None:
        self.heard: Queue[tuple[int, dict[int, Entry], JournalError | None]] = Queue()

    def written(self, operations: Sequence[Any], found: dict[int, Entry], fault: JournalError | None) -> None:
        self.heard.put((len(operations), found, fault))


def begin(row: int) -> tuple[Operation, None]:
    key = bytes([row]) * 32
    return (statements.BEGIN, key, (row, key, "in_flight", 1.0, row, 0.0, "live", None, "{}")), None


def look_up(row: int) -> tuple[Operation, None]:
    return (statements.LOOK_UP, bytes([row]) * 32, (row,)), None


def test_each_owner_is_told_of_its_own_operations(path: Path) -> None:
    store = Store(path)
    worker = Worker(store, lambda: store.open(creator="test", now=0.0))
    one, two = Told(), Told()
    worker.hand_over(one, [begin(1), begin(2)])
    worker.hand_over(two, [begin(3), look_up(3), look_up(9)])
    worker.close()
    assert worker.closed.result(10) is None and worker.opened.result(10) is None
    assert one.heard.get(timeout=10) == (2, {}, None)
    number, found, fault = two.heard.get(timeout=10)
    assert (number, {place: entry.item for place, entry in found.items()}, fault) == (3, {1: 3}, None)
    worker.join()


def test_after_an_error_every_owner_is_told_and_nothing_more_is_tried(tmp_path: Path) -> None:
    store = Store(tmp_path / "nowhere" / "run.db")
    worker = Worker(store, lambda: store.open(creator="test", now=0.0))
    told = Told()
    for row in (1, 2):
        worker.hand_over(told, [begin(row)])
    worker.close()
    opened = worker.opened.result(10)
    assert opened is not None and opened.code == "journal_unwritable"
    faults = []
    while len(faults) < 2 and (heard := told.heard.get(timeout=10)):
        faults.append(heard[2])
    assert faults == [opened, opened]
    assert worker.closed.result(10) is None
    worker.join()
