"""A forecast for people: what is likely, and the bounds behind it."""

from collections.abc import Callable

from kaizen_batch.commands.command import duration, usd
from kaizen_batch.commands.forecast import Forecast, Range


def lines_of(forecast: Forecast, max_concurrent: int) -> list[str]:
    """The figures of a forecast, a line each."""
    cost, seconds = forecast.cost_usd, forecast.seconds
    return [
        f"rows      {forecast.rows:,}",
        f"tokens    in {_range(forecast.input_tokens, _tokens)}, out {_range(forecast.output_tokens, _tokens)}",
        f"cost      {_range(cost, usd) if cost else 'unknown'}",
        f"time      {f'{_range(seconds, duration)} with {max_concurrent} at once' if seconds else 'unknown'}",
    ]


def _range(found: Range, shown: Callable[[float], str]) -> str:
    low, likely, high = shown(found.low), shown(found.likely), shown(found.high)
    return likely if low == high else f"{likely} ({low} to {high})"


def _tokens(count: float) -> str:
    for size, unit in ((1e9, " billion"), (1e6, " million")):
        if count >= size:
            return f"{count / size:.2f}{unit}"
    return f"{count:,.0f}"
