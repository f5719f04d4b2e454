"""Admission: the ring in which queues take turns, and the lock that one thread alone does without."""

import threading
from collections.abc import Callable

from kaizen_batch.limits import Admission, ConcurrencyLimiter, Limit

LIMIT, OTHER = ConcurrencyLimiter(1), ConcurrencyLimiter(1)


class Queue:
    """A queue that has so many calls to let through, and then waits for its limits."""

    def __init__(self, admission: Admission, log: list[str], name: str, calls: int, *limits: Limit) -> None:
        self.obeys = frozenset(limits)
        self.waits_for: dict[Limit, float] = {}
        self.name, self.calls = name, calls
        self._ring, self._log = admission.ring, log
        self._ring[self] = None

    def serve(self, barred: dict[Limit, float], now: float) -> bool:
        held = {limit: barred[limit] for limit in self.obeys if limit in barred}
        if held or not self.calls:
            self.waits_for = held or dict.fromkeys(self.obeys, now + 1.0)
            barred.update(self.waits_for)
            return False
        self.calls -= 1
        self._log.append(self.name)
        return True

    def nudge(self) -> None:
        self._log.append(f"nudge {self.name}")


def test_queues_of_one_limit_take_turns() -> None:
    admission, log = Admission(), list[str]()
    one = Queue(admission, log, "one", 3, LIMIT)
    Queue(admission, log, "other", 2, LIMIT)
    admission.wake(one, 0.0)
    assert log == ["one", "other", "one", "other", "one"]


def test_a_queue_that_waits_bars_those_behind_it_that_obey_the_same_limit() -> None:
    admission, log = Admission(), list[str]()
    first = Queue(admission, log, "waits", 0, LIMIT)
    behind = Queue(admission, log, "behind", 1, LIMIT)
    admission.wake(first, 5.0)
    assert (log, behind.waits_for) == ([], {LIMIT: 6.0})


def test_a_queue_without_a_common_limit_is_not_asked() -> None:
    admission, log = Admission(), list[str]()
    one = Queue(admission, log, "one", 1, LIMIT)
    Queue(admission, log, "stranger", 1, OTHER)
    admission.wake(one, 0.0)
    assert log == ["one"]


def test_an_abandoned_call_is_ended_by_the_next_who_may_take_the_lock() -> None:
    admission, log = Admission(), list[str]()
    one = Queue(admission, log, "one", 1, LIMIT)
    other = Queue(admission, log, "other", 1, OTHER)
    with admission.lock:  # as it may be when the garbage collector closes a coroutine
        admission.abandon(other, lambda now: log.append(f"ended at {now:g}"))
    assert log == ["nudge one", "nudge other"]
    admission.wake(one, 7.0)
    assert log[2:] == ["ended at 7", "one", "other"], "what the end changed for the other queue counts too"


def in_another_thread(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_one_thread_alone_does_without_the_lock() -> None:
    admission = Admission()
    admission.share()
    admission.share()
    assert not admission.must_lock
    in_another_thread(admission.share).join()
    assert admission.must_lock


def test_a_second_thread_waits_until_the_first_is_not_busy() -> None:
    admission = Admission()
    admission.share()
    admission.busy = True
    second = in_another_thread(admission.share)
    while not admission.must_lock:
        second.join(0.001)
    assert second.is_alive()
    admission.busy = False
    second.join()
