"""The arithmetic of `estimate`: from the sizes of all rows and the calls for a few to tokens, cost and time."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from statistics import fmean, stdev

from kaizen_batch.prices import Price, Usage

# Tokens per byte of a request's JSON. English text has 0.25; source code, numbers and other scripts have more.
_TOKENS_PER_BYTE = (0.15, 0.25, 0.5)
# Student's t, two-sided 95%, by degrees of freedom; beyond the last, the normal distribution.
_T = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.20, 2.18, 2.16, 2.14, 2.13, 2.12, 2.11, 2.10, 2.09)
_NORMAL = 1.96
_LIKELY_OUTPUT = 250  # tokens of an answer where nothing is known: a paragraph


@dataclass(frozen=True, slots=True)
class Range:
    """A figure known by its bounds and its most likely value."""

    low: float
    likely: float
    high: float

    def times(self, factor: float) -> "Range":
        """Each bound, multiplied."""
        return Range(self.low * factor, self.likely * factor, self.high * factor)

    def within(self, low: float, high: float) -> "Range":
        """The same, clipped to what is possible."""
        return Range(*(min(max(bound, low), high) for bound in (self.low, self.likely, self.high)))


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the sample: bytes sent, tokens in and out, seconds."""

    sent_bytes: int
    input_tokens: int
    output_tokens: int
    seconds: float


@dataclass(slots=True)
class Sizes:
    """The requests of all rows: their number and bytes, and the rows that cannot be asked."""

    rows: int = 0
    total_bytes: int = 0
    unusable: int = 0
    never_fit: dict[str, list[int]] = field(default_factory=dict)

    def add(self, sent_bytes: int) -> None:
        """One more row that will be asked."""
        self.rows += 1
        self.total_bytes += sent_bytes

    def only(self, rows: int | None) -> None:
        """Count only this many rows, drawn at random; None: all."""
        if rows is not None and rows < self.rows:
            self.total_bytes = round(self.total_bytes * rows / self.rows)
            self.rows = rows


@dataclass(frozen=True, slots=True)
class Pace:
    """What bounds the speed: concurrent calls, and the limits per minute."""

    max_concurrent: int
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None


@dataclass(frozen=True, slots=True)
class Forecast:
    """Tokens, USD and seconds of a whole run; None where unknown."""

    rows: int
    input_tokens: Range
    output_tokens: Range
    cost_usd: Range | None
    seconds: Range | None

    def to_dict(self) -> dict[str, object]:
        """The same as a JSON-able dict."""
        return asdict(self)


def offline(sizes: Sizes, max_tokens: int, price: Price | None) -> Forecast:
    """The forecast from sizes and price list alone: tokens are a guess, time is unknown."""
    asked = Range(*(sizes.total_bytes * ratio for ratio in _TOKENS_PER_BYTE))
    answered = Range(1, min(max_tokens / 2, _LIKELY_OUTPUT), max_tokens).times(sizes.rows)
    return Forecast(sizes.rows, asked, answered, _cost(sizes.rows, asked, answered, price), None)


def from_canary(sizes: Sizes, calls: Sequence[Call], max_tokens: int, price: Price | None, pace: Pace) -> Forecast:
    """The forecast from the calls for a few rows: 95% intervals, if the few are like the rest."""
    rows, whole = sizes.rows, len(calls) >= sizes.rows
    asked = _ratio(calls, sizes.total_bytes, whole=whole)
    answered = _mean([call.output_tokens for call in calls], whole=whole).within(0, max_tokens).times(rows)
    each = _mean([call.seconds for call in calls], whole=whole)
    seconds = _time(rows, asked, answered, each, pace)
    return Forecast(rows, asked, answered, _cost(rows, asked, answered, price), seconds)


def _ratio(calls: Sequence[Call], total_bytes: int, *, whole: bool) -> Range:
    """Input tokens of all bytes: the ratio of the sample, with the error of a ratio estimate."""
    sent, tokens = sum(call.sent_bytes for call in calls), sum(call.input_tokens for call in calls)
    ratio = tokens / sent
    if len(calls) == 1:  # a single call has no deviation from its own ratio, which says nothing about the others
        return _mean([ratio], whole=whole).within(0, 1).times(total_bytes)
    off = _mean([call.input_tokens - ratio * call.sent_bytes for call in calls], whole=whole)
    error = (off.high - off.low) / 2 / (sent / len(calls))
    return Range(ratio - error, ratio, ratio + error).within(0, 1).times(total_bytes)


def _mean(values: Sequence[float], *, whole: bool) -> Range:
    """The mean with its 95% interval; exact if these are all that there are."""
    mean = fmean(values)
    if whole:
        return Range(mean, mean, mean)
    if len(values) < 2:
        return Range(mean / 2, mean, mean * 2)  # one call says little
    degrees = len(values) - 1
    spread = (_T[degrees - 1] if degrees <= len(_T) else _NORMAL) * stdev(values) / math.sqrt(len(values))
    return Range(mean - spread, mean, mean + spread)


def _cost(rows: int, asked: Range, answered: Range, price: Price | None) -> Range | None:
    """USD, each row at the price of an average row, since prices may depend on the length of a call."""
    if price is None:
        return None
    if not rows:
        return Range(0.0, 0.0, 0.0)

    def of(tokens_in: float, tokens_out: float) -> float:
        reached = [tier for above, tier in price.tiers if tokens_in / rows > above]
        level = reached[-1] if reached else price
        return Price(level.input, level.output).cost(Usage(round(tokens_in), round(tokens_out)))

    return Range(of(asked.low, answered.low), of(asked.likely, answered.likely), of(asked.high, answered.high))


def _time(rows: int, asked: Range, answered: Range, each: Range, pace: Pace) -> Range:
    """Seconds: whichever is slowest of the calls themselves, the request limit and the token limit."""

    def of(seconds: float, tokens: float) -> float:
        by_calls = rows * max(0.0, seconds) / min(pace.max_concurrent, max(1, rows))
        by_requests = 60 * rows / pace.requests_per_minute if pace.requests_per_minute else 0.0
        by_tokens = 60 * tokens / pace.tokens_per_minute if pace.tokens_per_minute else 0.0
        return max(by_calls, by_requests, by_tokens)

    return Range(
        of(each.low, asked.low + answered.low),
        of(each.likely, asked.likely + answered.likely),
        of(each.high, asked.high + answered.high),
    )
