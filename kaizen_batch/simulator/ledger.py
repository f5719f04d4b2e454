"""The ledger: every call that reached the simulator, and what was billed."""

import threading
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Entry:
    """One call: its HTTP status (0 for a torn connection), whether it was billed, the prompt's SHA-256, tokens."""

    status: int
    billed: bool
    prompt_sha256: str
    tokens: int = 0


class Ledger:
    """Counts calls; written by the server's thread, read by any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: list[Entry] = []
        self._in_flight = 0
        self._peak = 0

    def enter(self) -> None:
        """A call arrives."""
        with self._lock:
            self._in_flight += 1
            self._peak = max(self._peak, self._in_flight)

    def leave(self) -> None:
        """A call has ended, one way or another."""
        with self._lock:
            self._in_flight -= 1

    def record(self, entry: Entry) -> None:
        """Book what became of a call."""
        with self._lock:
            self._entries.append(entry)

    @property
    def entries(self) -> list[Entry]:
        """All calls so far, in the order of their ends."""
        with self._lock:
            return list(self._entries)

    @property
    def calls(self) -> int:
        """How many calls there were."""
        return len(self.entries)

    @property
    def billed(self) -> int:
        """How many of them were billed."""
        return sum(entry.billed for entry in self.entries)

    @property
    def peak_in_flight(self) -> int:
        """The most calls there were at once."""
        return self._peak

    @property
    def in_flight(self) -> int:
        """Calls under way now."""
        return self._in_flight

    def to_dict(self) -> dict[str, Any]:
        """What `GET /ledger` answers."""
        return {
            "calls": self.calls,
            "billed": self.billed,
            "peak_in_flight": self.peak_in_flight,
            "in_flight": self.in_flight,
            "entries": [asdict(entry) for entry in self.entries],
        }
