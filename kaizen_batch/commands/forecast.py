"""The arithmetic of `estimate`: from the sizes of all rows and the calls for a few to tokens, cost and time."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from statistics import fmean, stdev

from kaizen_batch.commands.simulated_run import Calls, Pace, run_seconds
from kaizen_batch.prices import Price, Usage

# Tokens per byte of a request's JSON. English text has 0.25; source code, numbers and other scripts have more.
_TOKENS_PER_BYTE = (0.15, 0.25, 0.5)
# Student's t, two-sided 98%, by degrees of freedom; beyond the last, the normal distribution. More than the promised
# 95%, since a sample is never quite like the rest.
_T = (31.8, 6.96, 4.54, 3.75, 3.36, 3.14, 3.00, 2.90, 2.82, 2.76, 2.72, 2.68, 2.65, 2.62, 2.60, 2.58, 2.57, 2.55, 2.54)
_NORMAL = 2.33
_LEAST = 0.02  # of the mean: calls that are alike do not prove that all are
_WIDER = 1.25  # the sigma of a sample, for the bounds
_OVERHEAD = 0.05  # of the time: connections, reservations, an event loop that is late
_MOST_LOG = 100.0
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

    def plus(self, other: "Range") -> "Range":
        """Bound plus bound."""
        return Range(self.low + other.low, self.likely + other.likely, self.high + other.high)

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


@dataclass(frozen=True, slots=True)
class Terms:
    """What all calls have in common: the longest answer, the price if it is known, and what bounds the speed."""

    max_tokens: int
    price: Price | None
    pace: Pace


def offline(sizes: Sizes, max_tokens: int, price: Price | None) -> Forecast:
    """The forecast from sizes and price list alone: tokens are a guess, time is unknown."""
    asked = Range(*(sizes.total_bytes * ratio for ratio in _TOKENS_PER_BYTE))
    answered = Range(1, min(max_tokens / 2, _LIKELY_OUTPUT), max_tokens).times(sizes.rows)
    return Forecast(sizes.rows, asked, answered, _cost(sizes.rows, asked, answered, price), None)


def from_canary(sizes: Sizes, calls: Sequence[Call], terms: Terms) -> Forecast:
    """The forecast from the calls for a few rows: 95% intervals, if the few are like the rest.

    What was asked of all rows is known, and has no interval; the time of another run is not.
    """
    rows, whole = sizes.rows, len(calls) >= sizes.rows
    outputs, seconds = [call.output_tokens for call in calls], [call.seconds for call in calls]
    if whole:
        asked, answered = (Range(*[float(sum(each))] * 3) for each in ([call.input_tokens for call in calls], outputs))
    else:
        asked = _ratio(calls, sizes.total_bytes)
        answered = mean_range(outputs).within(0, terms.max_tokens).times(rows)
    cost = _cost(rows, asked, answered, terms.price)
    return Forecast(rows, asked, answered, cost, _time(rows, asked.plus(answered), seconds, terms.pace))


def _ratio(calls: Sequence[Call], total_bytes: int) -> Range:
    """Input tokens of all bytes: the ratio of the sample, with the error of a ratio estimate."""
    sent, tokens = sum(call.sent_bytes for call in calls), sum(call.input_tokens for call in calls)
    ratio = tokens / sent
    if len(calls) == 1:  # a single call has no deviation from its own ratio, which says nothing about the others
        return mean_range([ratio]).within(0, 1).times(total_bytes)
    off = [call.input_tokens - ratio * call.sent_bytes for call in calls]
    error = max(_LEAST * ratio, _t(len(calls)) * stdev(off) / math.sqrt(len(calls)) / (sent / len(calls)))
    return Range(ratio - error, ratio, ratio + error).within(0, 1).times(total_bytes)


def _t(size: int) -> float:
    return _T[size - 2] if size - 2 < len(_T) else _NORMAL


def mean_range(values: Sequence[float]) -> Range:
    """The mean of a population from a sample, with an interval that holds for skewed populations too.

    It spans the interval of Student for the mean and that of Cox for the mean of a lognormal distribution: a sample
    without the few long answers looks symmetric. Source: U. Olsson, "Confidence Intervals for the Mean of a Log-Normal
    Distribution", Journal of Statistics Education 13(1), 2005.
    """
    mean, size = fmean(values), len(values)
    if size < 2:
        return Range(mean / 2, mean, mean * 2)  # one call says little
    half = max(_LEAST * mean, _t(size) * stdev(values) / math.sqrt(size))
    low, high = mean - half, mean + half
    if min(values) > 0:
        center, squared = fmean(map(math.log, values)), sigma_of(values) ** 2
        around = _t(size) * math.sqrt(squared / size + squared**2 / (2 * (size - 1)))
        low = min(low, math.exp(center + squared / 2 - around))
        high = max(high, math.exp(min(center + squared / 2 + around, _MOST_LOG)))
    return Range(max(0.0, low), mean, high)


def sigma_of(values: Sequence[float]) -> float:
    """The standard deviation of the logarithms; those of 0 are left out."""
    logs = [math.log(value) for value in values if value > 0]
    return stdev(logs) if len(logs) > 1 else 0.0


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


def repriced(forecast: Forecast, price: Price) -> Range | None:
    """What the same tokens cost at another price."""
    return _cost(forecast.rows, forecast.input_tokens, forecast.output_tokens, price)


def _time(rows: int, used: Range, seconds: Sequence[float], pace: Pace) -> Range:
    """Seconds of a run whose calls are like those of the sample, under its limits."""
    each, sigma = mean_range(seconds), sigma_of(seconds)

    def of(seconds: float, tokens: float, sigma: float) -> float:
        return run_seconds(Calls(rows, max(0.0, seconds), sigma, round(tokens / rows) if rows else 0), pace)

    likely = of(each.likely, used.likely, sigma)
    low = of(each.low, used.low, sigma / _WIDER)
    high = of(each.high, used.high, sigma * _WIDER)
    return Range(min(low, likely) * (1 - _OVERHEAD), likely, max(high, likely) * (1 + 2 * _OVERHEAD))
