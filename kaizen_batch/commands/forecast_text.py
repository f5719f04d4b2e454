"""A forecast for people: the likely figures, and their bounds."""

from collections.abc import Callable

from kaizen_batch.commands.forecast import Forecast, Range
from kaizen_batch.results.texts.numbers import count, duration, short, usd
from kaizen_batch.results.texts.summary import Line

_MANY = 1e6


def lines_of(forecast: Forecast, max_concurrent: int) -> list[Line]:
    """The figures of a forecast, a line each."""
    cost, seconds = forecast.cost_usd, forecast.seconds
    return [
        Line("rows", count(forecast.rows)),
        Line(
            "tokens",
            f"in {range_text(forecast.input_tokens, _tokens)}, out {range_text(forecast.output_tokens, _tokens)}",
        ),
        Line("cost", range_text(cost, usd) if cost else "unknown"),
        Line(
            "time", f"{range_text(seconds, duration)} with {max_concurrent} concurrent calls" if seconds else "unknown"
        ),
    ]


def range_text(found: Range, shown: Callable[[float], str]) -> str:
    """The likely value and its bounds."""
    low, likely, high = shown(found.low), shown(found.likely), shown(found.high)
    return likely if low == high else f"{likely} ({low} to {high})"


def _tokens(number: float) -> str:
    return short(number) if number >= _MANY else count(number)


def _time(found: Range) -> str:
    return range_text(found, duration)
