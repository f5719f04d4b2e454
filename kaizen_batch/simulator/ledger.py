"""The ledger: every call that reached the simulator, and whether it was billed."""

import json
import os
import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Entry:
    """One call, as the server saw it.

    `status` is the HTTP status, 0 when the client got no response; `at` the time of arrival, in seconds of the
    server's monotonic clock; `tokens` the total used, `charged` the tokens charged to the window; `usd` the price;
    `fault` the injected fault; `mode` how it was asked: `live`, `flex` or `batch`; `parameters` the fields of the
    request besides the model, the messages and the schema; `images` and `files` how many of them its messages hold.
    """

    status: int
    billed: bool
    prompt_sha256: str
    tokens: int = 0
    at: float = 0.0
    model: str = ""
    usd: float = 0.0
    charged: int = 0
    fault: str = ""
    mode: str = "live"
    parameters: dict[str, Any] = field(default_factory=dict)
    images: int = 0
    files: int = 0


class Ledger:
    """Counts calls. The server's thread writes it, any thread may read it.

    >>> with Simulator() as simulator:
    ...     ...
    >>> assert set(simulator.ledger.billed_by_prompt().values()) == {1}
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: list[Entry] = []
        self._in_flight = 0
        self._peak = 0
        self._billed = 0
        self._usd = 0.0
        self._file: int | None = None

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Self:
        """The ledger that a server wrote to its `ledger_path`; an incomplete last line is skipped."""
        ledger = cls()
        for line in Path(path).read_bytes().splitlines(keepends=True):
            if line.endswith(b"\n"):
                ledger.record(Entry(**json.loads(line)))
        return ledger

    def open(self, path: str | os.PathLike[str]) -> None:
        """Append every further entry to this file."""
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def enter(self) -> None:
        """A call arrives."""
        with self._lock:
            self._in_flight += 1
            self._peak = max(self._peak, self._in_flight)

    def leave(self) -> None:
        """A call has ended."""
        with self._lock:
            self._in_flight -= 1

    def record(self, entry: Entry) -> None:
        """Record how a call ended."""
        with self._lock:
            self._entries.append(entry)
            self._billed += entry.billed
            self._usd += entry.usd
            if self._file is not None:
                # Unbuffered: what was written survives a kill of this process.
                os.write(self._file, json.dumps(asdict(entry)).encode() + b"\n")

    def reset(self) -> None:
        """Delete all entries, those in the file too; calls in flight are kept."""
        with self._lock:
            self._entries.clear()
            self._billed, self._usd, self._peak = 0, 0.0, self._in_flight
            if self._file is not None:
                os.ftruncate(self._file, 0)

    @property
    def entries(self) -> list[Entry]:
        """All calls so far, in the order in which they ended."""
        with self._lock:
            return list(self._entries)

    @property
    def calls(self) -> int:
        """The number of calls."""
        return len(self._entries)

    @property
    def billed(self) -> int:
        """The number of billed calls."""
        return self._billed

    @property
    def usd(self) -> float:
        """The cost of the billed calls, in USD."""
        return self._usd

    @property
    def peak_in_flight(self) -> int:
        """The highest number of calls in flight."""
        return self._peak

    @property
    def in_flight(self) -> int:
        """Calls in flight, including those whose client has disconnected."""
        return self._in_flight

    def billed_by_prompt(self) -> dict[str, int]:
        """How often each prompt was billed, by its SHA-256."""
        return dict(Counter(entry.prompt_sha256 for entry in self.entries if entry.billed))

    def billed_by_mode(self) -> dict[str, tuple[int, float]]:
        """How many requests were billed in each mode, and what they cost together, in USD."""
        found: dict[str, tuple[int, float]] = {}
        for entry in self.entries:
            if entry.billed:
                number, usd = found.get(entry.mode, (0, 0.0))
                found[entry.mode] = number + 1, usd + entry.usd
        return found

    def worst_window(self, window_s: float) -> tuple[int, int]:
        """The most billed requests, and the most charged tokens, in any window of `window_s` seconds.

        A window is half open: a call at its end belongs to the next window.
        """
        return worst_window(((entry.at, entry.charged) for entry in self.entries if entry.billed), window_s)

    def to_dict(self, *, entries: bool = True) -> dict[str, Any]:
        """The response to `GET /ledger`."""
        totals = {
            "calls": self.calls,
            "billed": self.billed,
            "usd": self.usd,
            "peak_in_flight": self.peak_in_flight,
            "in_flight": self.in_flight,
        }
        return {**totals, "entries": [asdict(entry) for entry in self.entries]} if entries else totals


def worst_window(arrivals: Iterable[tuple[float, int]], window_s: float) -> tuple[int, int]:
    """The largest count and the largest sum of `(time, tokens)` pairs over any half-open window of `window_s`."""
    ordered = sorted(arrivals)
    first = tokens = most_requests = most_tokens = 0
    for last, (at, cost) in enumerate(ordered):
        tokens += cost
        while at >= ordered[first][0] + window_s:
            tokens -= ordered[first][1]
            first += 1
        most_requests = max(most_requests, last - first + 1)
        most_tokens = max(most_tokens, tokens)
    return most_requests, most_tokens
