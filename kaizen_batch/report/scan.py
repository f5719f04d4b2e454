"""One pass over all requests of a journal, of any number: what stays in memory is bounded."""

import heapq
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from kaizen_batch.journal import Outline
from kaizen_batch.metrics import LatencyHistogram
from kaizen_batch.results import ItemError

ANSWERS, SLOWEST, EXAMPLES, VALUES = 12, 10, 3, 1000
_KINDS = 50  # error codes come from endpoints, so their number has no bound
_KILLED = ItemError("NoAnswerError", "the run was killed before the answer came", "killed", retryable=True)
_OTHER = ItemError("KaizenBatchError", "", "other", retryable=False)


@dataclass(slots=True)
class Kind:
    """One kind of failure: the first error, the number of requests with it, and the keys of the first few."""

    error: ItemError
    requests: int = 0
    examples: list[bytes] = field(default_factory=list)


class Scan:
    """The latencies, the failures by kind, the slowest requests and a sample of the answered ones.

    >>> with Journal("run.db") as journal:
    ...     scan = Scan(journal.outlines())

    Samples are drawn evenly (algorithm R), with a fixed seed: the same journal gives the same ones. With `rows`, the
    number of rows that each key answers, the samples are of these rows only; latencies and failures are of all.
    """

    def __init__(self, outlines: Iterable[Outline], rows: Mapping[bytes, int] | None = None) -> None:
        self._rows = rows
        self.latency: LatencyHistogram = LatencyHistogram()
        self.kinds: dict[str, Kind] = {}
        self.answered: int = 0
        self._slowest: list[tuple[float, int, bytes]] = []
        self._sample = _Reservoir(ANSWERS)
        self._values = _Reservoir(VALUES)
        add = {"done": self._done, "failed": self._failed, "unknown": self._failed}
        for outline in outlines:
            if (book := add.get(outline.state)) is not None:
                book(outline)

    @property
    def slowest(self) -> list[bytes]:
        """The keys of the requests whose answer took longest, the slowest first."""
        return [key for *_, key in sorted(self._slowest, reverse=True)]

    @property
    def sample(self) -> list[bytes]:
        """The keys of some answered requests, in order of item."""
        return self._sample.keys

    @property
    def values(self) -> list[bytes]:
        """The keys of more answered requests, for distributions."""
        return self._values.keys

    def _done(self, outline: Outline) -> None:
        rows = 1 if self._rows is None else self._rows.get(outline.key, 0)
        self.answered += rows
        for _ in range(rows):
            self._values.add(outline.item, outline.key)
        if outline.latency_s is not None:
            self.latency.add(outline.latency_s)
        if rows:
            self._show(outline)

    def _show(self, outline: Outline) -> None:
        self._sample.add(outline.item, outline.key)
        if outline.latency_s is not None:
            keep: Callable[..., object] = heapq.heappush if len(self._slowest) < SLOWEST else heapq.heappushpop
            keep(self._slowest, (outline.latency_s, -outline.item, outline.key))

    def _failed(self, outline: Outline) -> None:
        error = outline.error or _KILLED
        code = error.code if error.code in self.kinds or len(self.kinds) < _KINDS else _OTHER.code
        kind = self.kinds.setdefault(code, Kind(error if code == error.code else _OTHER))
        kind.requests += 1
        if len(kind.examples) < EXAMPLES:
            kind.examples.append(outline.key)


class _Reservoir:
    """So many keys, drawn evenly from all that are added. Source: algorithm R, Vitter, ACM TOMS 11, 1985."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._added = 0
        self._kept: list[tuple[int, bytes]] = []
        self._random = random.Random(0)

    @property
    def keys(self) -> list[bytes]:
        """Those that are kept, in the order of their items."""
        return [key for _, key in sorted(self._kept)]

    def add(self, item: int, key: bytes) -> None:
        """One more to draw from."""
        self._added += 1
        if len(self._kept) < self._size:
            self._kept.append((item, key))
        elif (place := int(self._random.random() * self._added)) < self._size:
            self._kept[place] = (item, key)
