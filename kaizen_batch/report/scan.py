"""One pass over all requests of a journal, whatever their number: what stays in memory is bounded."""

import heapq
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from kaizen_batch.journal import Outline
from kaizen_batch.metrics import LatencyHistogram
from kaizen_batch.results import ItemError

ANSWERS, SLOWEST, EXAMPLES = 12, 10, 3
_KINDS = 50  # error codes come from endpoints, so their number has no bound
_KILLED = ItemError("NoAnswerError", "the run was killed before the answer came", "killed", retryable=True)
_OTHER = ItemError("KaizenBatchError", "", "other", retryable=False)


@dataclass(slots=True)
class Kind:
    """One kind of failure: an error as it came first, how many requests have it, and the keys of the first few."""

    error: ItemError
    requests: int = 0
    examples: list[bytes] = field(default_factory=list)


class Scan:
    """The latencies, the failures by kind, the slowest requests and a sample of the answered ones.

    >>> with Journal("run.db") as journal:
    ...     scan = Scan(journal.outlines())

    The sample is drawn evenly (algorithm R), with a fixed seed: the same journal gives the same one.
    """

    def __init__(self, outlines: Iterable[Outline]) -> None:
        self.latency: LatencyHistogram = LatencyHistogram()
        self.kinds: dict[str, Kind] = {}
        self.answered: int = 0
        self._slowest: list[tuple[float, int, bytes]] = []
        self._sample: list[tuple[int, bytes]] = []
        self._random = random.Random(0)
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
        return [key for _, key in sorted(self._sample)]

    def _done(self, outline: Outline) -> None:
        self.answered += 1
        self._draw(outline)
        if outline.latency_s is not None:
            self.latency.add(outline.latency_s)
            keep: Callable[..., object] = heapq.heappush if len(self._slowest) < SLOWEST else heapq.heappushpop
            keep(self._slowest, (outline.latency_s, -outline.item, outline.key))

    def _draw(self, outline: Outline) -> None:
        if len(self._sample) < ANSWERS:
            self._sample.append((outline.item, outline.key))
        elif (place := int(self._random.random() * self.answered)) < ANSWERS:
            self._sample[place] = (outline.item, outline.key)

    def _failed(self, outline: Outline) -> None:
        error = outline.error or _KILLED
        code = error.code if error.code in self.kinds or len(self.kinds) < _KINDS else _OTHER.code
        kind = self.kinds.setdefault(code, Kind(error if code == error.code else _OTHER))
        kind.requests += 1
        if len(kind.examples) < EXAMPLES:
            kind.examples.append(outline.key)
