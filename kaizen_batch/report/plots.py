"""The plots of the page, as the data that its script draws: numbers and labels of ours, no text of a row or model."""

from typing import Any

from kaizen_batch.metrics import LatencyHistogram
from kaizen_batch.report.facts import Facts
from kaizen_batch.report.numbers import utc_offset_s
from kaizen_batch.report.timeline import Timeline

_BARS = 40
_QUANTILES = (0.5, 0.95, 0.99)

# id, title, unit of `page.js`, and the lines: a column of the timeline, its label, its colour.
_OVER_TIME: tuple[tuple[str, str, str, tuple[tuple[str, str, str], ...]], ...] = (
    ("speed", "Items a second", "rate", (("answered_per_s", "answered", "blue"), ("failed_per_s", "failed", "red"))),
    ("flight", "Calls in flight", "count", (("in_flight", "in flight", "blue"), ("limit", "limit", "grey"))),
    ("throttles", "Throttled calls a second", "rate", (("throttles_per_s", "throttled", "amber"),)),
    (
        "tokens",
        "Tokens a second",
        "rate",
        (("input_tokens_per_s", "input", "violet"), ("output_tokens_per_s", "output", "green")),
    ),
    ("cost", "Cost so far", "usd", (("cost_usd", "cost", "green"),)),
)


def plots(facts: Facts) -> dict[str, Any]:
    """Everything that is drawn, JSON-able."""
    line = facts.timeline
    return {
        "at_s": [round(at_s, 3) for at_s in line.at_s],
        "moment": [None if moment is None else round(moment, 1) for moment in line.moment],
        "utc_offset_s": utc_offset_s(facts.now),
        "begins_s": line.begins_s,
        "over_time": [_over_time(line, *plot) for plot in _OVER_TIME],
        "latency": latency_plot(facts.details.latency),
    }


def latency_plot(histogram: LatencyHistogram) -> dict[str, Any]:
    """The bars, each at its geometric middle, and the quantiles; seconds."""
    bars = histogram.bars(_BARS)
    return {
        "at_s": [_rounded((from_s * to_s) ** 0.5) for from_s, to_s, _ in bars],
        "edges_s": [bars[0][0], bars[-1][1]] if bars else [],
        "counts": [count for *_, count in bars],
        "quantiles": {f"p{100 * q:g}": _rounded(histogram.quantile(q)) for q in _QUANTILES} if bars else {},
    }


def _over_time(
    line: Timeline, name: str, title: str, unit: str, lines: tuple[tuple[str, str, str], ...]
) -> dict[str, Any]:
    series = [{"label": label, "colour": colour, "values": _column(line, column)} for column, label, colour in lines]
    empty = not any(value is not None for each in series for value in each["values"])
    return {"id": name, "title": title, "unit": unit, "series": [] if empty else series}


def _column(line: Timeline, name: str) -> list[float | None]:
    return [None if value is None else _rounded(value) for value in getattr(line, name)]


def _rounded(value: float) -> float:
    return float(f"{value:.5g}")
