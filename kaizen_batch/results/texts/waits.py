"""What a run waited for, and how long: added up from its samples."""

import re
from collections import defaultdict

from kaizen_batch.results.texts.numbers import count

_SECONDS = re.compile(r", (about )?[\d.,]+ (ms|s|min|h)\b.*$")
_ITEM = re.compile(r"^item (\d{1,3}(?:,\d{3})*)")
_OWN_SLOTS = "a free "
_LEAST_S = 1.0


class Waits:
    """Adds up the seconds between samples by what the run waited for then.

    A run samples itself every half second, so the sums are that exact. Waiting for one of its own slots is how a run
    at full concurrency works, and does not count.
    """

    def __init__(self) -> None:
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._last_s = 0.0

    def add(self, elapsed_s: float, waiting_for: str | None) -> None:
        """Take one sample, in the order of time."""
        since_s, self._last_s = elapsed_s - self._last_s, elapsed_s
        reason = reason_of(waiting_for)
        if reason:
            self._seconds[reason] += max(0.0, since_s)

    def longest(self, most: int = 3) -> list[tuple[str, float]]:
        """The reasons that took a second or more, the longest first."""
        by_seconds = sorted(self._seconds.items(), key=lambda wait: -wait[1])
        return [(reason, seconds) for reason, seconds in by_seconds[:most] if seconds >= _LEAST_S]


def reason_of(waiting_for: str | None) -> str:
    """The reason without the seconds; empty if the run did not wait for anything but its own slots."""
    if not waiting_for or waiting_for.startswith(_OWN_SLOTS):
        return ""
    return _SECONDS.sub("", waiting_for)


def with_noun(waiting_for: str, noun: str) -> str:
    """What a run waits for, where items are called so; rows count from 1, items are indices.

    >>> with_noun("item 1,593, 74 s", "row")
    'row 1,594, 74 s'
    """
    found = _ITEM.match(waiting_for)
    if found is None or noun != "row":
        return waiting_for
    return f"row {count(int(found[1].replace(',', '')) + 1)}{waiting_for[found.end() :]}"
