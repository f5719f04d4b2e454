"""Admission: calls wait in queues until every limit lets them through.

A run has one `WaitQueue` for each endpoint it calls. A queue obeys several limits, and a limit may belong to one run
(a budget), to one endpoint (its rate windows and its circuit breaker), to one agent (its slots) or to several agents.
Runs may be on different event loops and threads, so all queues of a process share one `Admission`: one lock, and one
ring of the queues in which somebody waits.

Invariants:

- A call goes only when every limit of its queue says 0.0, and all of them reserve in the same instant, so that nobody
  holds one resource while waiting for another. Every call that was let in is released exactly once.
- Within a queue: first come, first served, except for calls that are let `ahead`.
- Between queues: in turns. A queue that waits for a limit bars every queue behind it in the ring that obeys the same
  limit, so that many small calls cannot starve a large one; queues that share no limit do not affect each other.
- Waking is by event: the end of a call, a timer set for the moment the limits name, or a queue's closing. The thread
  that frees a resource reserves it for the next call and then completes that call's future on its own loop; nobody
  polls.

The lock is held for microseconds and is not reentrant. The garbage collector may close a coroutine, and so end a call,
while this very thread holds the lock; such an end goes through `abandon`, which takes no lock.

The lock is biased: as long as one thread alone has queues, which is nearly always so, its two steps on every item's way
(`try_acquire` and `release`) do without it, since taking it would cost as much as all that they do. The thread that
opens the first queue says `busy` during such a step. The first other thread to open one sets `must_lock`, waits until
the first thread is not busy, and goes on; from then on every step of every thread takes the lock. Each of the two sets
its own flag before it reads the other's (Dekker's algorithm), so that at least one of them sees the other.
Source: D. Dice, M. Moir, W. Scherer, "Quickly Reacquirable Locks", Sun Microsystems, 2003.
"""

import threading
from collections import deque
from collections.abc import Callable
from typing import Protocol

from kaizen_batch.limits.reservation import Limit


class Waiting(Protocol):
    """A queue, as the ring of those in which somebody waits sees it; what its members are, WaitQueue says."""

    obeys: frozenset[Limit]
    waits_for: dict[Limit, float]

    def serve(self, barred: dict[Limit, float], now: float) -> bool: ...

    def nudge(self) -> None: ...


class Admission:
    """The wait queues of a process and the lock that guards them and their limits."""

    def __init__(self) -> None:
        self.lock: threading.Lock = threading.Lock()
        self.busy: bool = False
        self.must_lock: bool = False
        self._first_thread: int | None = None
        self.ring: dict[Waiting, None] = {}  # in the order in which they have their turns
        self._opening = threading.Condition()
        self._abandoned: deque[tuple[Waiting, Callable[[float], None]]] = deque()

    def share(self) -> None:
        """If this is not the first thread to open a queue, have all threads take the lock from now on."""
        thread = threading.get_ident()
        with self._opening:
            if self._first_thread is None:
                self._first_thread = thread
            elif thread != self._first_thread and not self.must_lock:
                self.must_lock = True
                while self.busy:  # for the microseconds of one step
                    self._opening.wait(1e-6)

    def wake(self, origin: Waiting, now: float) -> None:
        """Let through whoever may go, now that something changed for the limits of `origin`. The lock is held."""
        changed = origin.obeys
        while self._abandoned:
            queue, end = self._abandoned.popleft()
            end(now)
            changed = changed | queue.obeys
        barred: dict[Limit, float] = {}
        turns = deque(self.ring)
        while turns:
            queue = turns.popleft()
            if changed.isdisjoint(queue.obeys):
                barred.update(queue.waits_for)
            elif queue.serve(barred, now):
                del self.ring[queue]
                self.ring[queue] = None
                turns.append(queue)

    def abandon(self, queue: Waiting, end: Callable[[float], None]) -> None:
        """Have somebody who may take the lock call `end(now)`."""
        self._abandoned.append((queue, end))
        for other in tuple(self.ring):
            other.nudge()


ADMISSION = Admission()
"""The one of this process."""
