"""The plots of the page, as data for its script: numbers and our own labels, no text of a row or model."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from kaizen_batch.metrics import LatencyHistogram
from kaizen_batch.report.facts import Facts
from kaizen_batch.report.timeline import Timeline
from kaizen_batch.results.texts.numbers import count, rate, usd

_BARS = 40
_QUANTILES = (0.5, 0.95, 0.99)


class _Plot(NamedTuple):
    """One plot over time: `unit` is one of `page.js`, each line has a column, a label and a color."""

    id: str
    title: str
    unit: str
    blank: str
    lines: tuple[tuple[str, str, str], ...]


_SPEED = (("answered_per_s", "answered", "blue"), ("failed_per_s", "failed", "red"))
_FLIGHT = (("in_flight", "in flight", "blue"), ("limit", "limit", "grey"))
_THROTTLES = (("throttles_per_s", "throttled", "amber"),)
_TOKENS = (("input_tokens_per_s", "input", "violet"), ("output_tokens_per_s", "output", "green"))
_COST = (("cost_usd", "cost", "green"),)
_UNITS: dict[str, Callable[[float], str]] = {"rate": rate, "count": count, "usd": usd}
_OVER_TIME = (
    _Plot("speed", "Items per second", "rate", "No item was answered by a call.", _SPEED),
    _Plot("flight", "Calls in flight", "count", "No call was made.", _FLIGHT),
    _Plot("throttles", "Throttled calls per second", "rate", "No call was throttled.", _THROTTLES),
    _Plot("tokens", "Tokens per second", "rate", "The endpoint reported no tokens.", _TOKENS),
    _Plot("cost", "Cost of all runs", "usd", "Nothing was paid, as far as prices are known.", _COST),
)


def plots(facts: Facts) -> dict[str, object]:
    """Everything that is drawn, JSON-able."""
    line = facts.timeline
    return {
        "at_s": [round(at_s, 3) for at_s in line.at_s],
        "moment": [None if moment is None else round(moment, 1) for moment in line.moment],
        "utc_offset_s": _utc_offset_s(facts.now),
        "begins_s": line.begins_s,
        "over_time": [_over_time(line, plot) for plot in _OVER_TIME],
        "latency": latency_plot(facts.details.latency),
    }


def latency_plot(histogram: LatencyHistogram) -> dict[str, object]:
    """The bars, each at its geometric middle, and the quantiles; seconds."""
    bars = histogram.bars(_BARS)
    return {
        "at_s": [_rounded((from_s * to_s) ** 0.5) for from_s, to_s, _ in bars],
        "edges_s": [bars[0][0], bars[-1][1]] if bars else [],
        "counts": [count for *_, count in bars],
        "blank": "No call was answered.",
        "quantiles": {f"p{100 * q:g}": _rounded(histogram.quantile(q)) for q in _QUANTILES} if bars else {},
    }


def _over_time(line: Timeline, plot: _Plot) -> dict[str, object]:
    series = [{"label": label, "color": color, "values": _column(line, column)} for column, label, color in plot.lines]
    says_something = any(any(each["values"]) for each in series)
    return {"id": plot.id, "title": plot.title, "unit": plot.unit, "blank": plot.blank} | {
        "series": series if says_something else [],
        "summary": _in_words(series, _UNITS[plot.unit]) if says_something else plot.blank,
    }


def _in_words(series: list[dict[str, Any]], shown: Callable[[float], str]) -> str:
    """What a plot shows, for those who do not see it."""
    parts = []
    for each in series:
        values = [value for value in each["values"] if value is not None]
        if values:
            parts.append(f"{each['label']}: highest {shown(max(values))}, last {shown(values[-1])}")
    return "; ".join(parts)


def _column(line: Timeline, name: str) -> list[float | None]:
    return [None if value is None else _rounded(value) for value in getattr(line, name)]


def _rounded(value: float) -> float:
    return float(f"{value:.5g}")


def _utc_offset_s(unix_s: float) -> float:
    """Seconds by which local time is ahead of UTC."""
    offset = datetime.fromtimestamp(unix_s, UTC).astimezone().utcoffset() or timedelta()
    return offset.total_seconds()
