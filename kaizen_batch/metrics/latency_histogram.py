"""A bounded histogram of latencies."""

import math
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Self

_GROWTH = math.log(1.05)
_FLOOR_S = 1e-6
_BUCKETS, _ZEROTH = 1 / _GROWTH, math.log(_FLOOR_S) / _GROWTH


class LatencyHistogram:
    """Durations in buckets that grow by 5%: constant memory, any number of values.

    >>> histogram = LatencyHistogram()
    >>> for seconds in (0.1, 0.2, 0.4): histogram.add(seconds)
    >>> round(histogram.quantile(0.5), 1)
    0.2

    Seconds from 1 microsecond up; a quantile is off by at most 2.5%.
    Source: logarithmic buckets as in DDSketch (Masson, Rim, Lee, VLDB 2019).
    """

    def __init__(self) -> None:
        self.count: int = 0
        self.max_s: float = 0.0
        self._buckets: defaultdict[int, int] = defaultdict(int)

    def add(self, seconds: float) -> None:
        """Book one duration."""
        self.count += 1
        if seconds > self.max_s:
            self.max_s = seconds
        self._buckets[round(math.log(seconds) * _BUCKETS - _ZEROTH) if seconds > _FLOOR_S else 0] += 1

    def merge(self, other: "LatencyHistogram") -> None:
        """Book all that the other one holds."""
        self.count += other.count
        self.max_s = max(self.max_s, other.max_s)
        for bucket, count in other._buckets.items():
            self._buckets[bucket] += count

    def to_dict(self) -> dict[str, Any]:
        """All that it holds, as a JSON-able dict."""
        return {"count": self.count, "max_s": self.max_s, "buckets": sorted(self._buckets.items())}

    @classmethod
    def of(cls, held: Mapping[str, Any]) -> Self:
        """The histogram that `to_dict` has written."""
        histogram = cls()
        histogram.count, histogram.max_s = held["count"], held["max_s"]
        histogram._buckets.update(dict(held["buckets"]))
        return histogram

    def bars(self, most: int) -> list[tuple[float, float, int]]:
        """`(from_s, to_s, count)` of at most so many bars of one ratio side by side, the empty ones included."""
        if not self._buckets:
            return []
        first, last = min(self._buckets), max(self._buckets)
        width = -(-(last - first + 1) // most)
        counts = [0] * ((last - first) // width + 1)
        for bucket, count in self._buckets.items():
            counts[(bucket - first) // width] += count
        edges = [_FLOOR_S * math.exp((first + width * n - 0.5) * _GROWTH) for n in range(len(counts) + 1)]
        return list(zip(edges, edges[1:], counts, strict=False))

    def quantile(self, q: float) -> float:
        """The duration below which a share q (0 to 1) of the values lies; 0.0 without values."""
        rank = q * (self.count - 1)
        seen = 0
        for bucket, count in sorted(self._buckets.items()):
            seen += count
            if seen > rank:
                return min(self.max_s, _FLOOR_S * math.exp(bucket * _GROWTH))
        return 0.0
