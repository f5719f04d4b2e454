"""The one way to write numbers for people: 1,234; $0.0123; 1.2 s; 38%."""

from datetime import UTC, datetime


def count(number: float) -> str:
    """A whole number: 1,234."""
    return f"{number:,.0f}"


def counted(number: float, noun: str) -> str:
    """A number with its noun: 1 row, 1,234 rows."""
    return f"{count(number)} {noun}" + ("" if number == 1 else "s")


def short(number: float) -> str:
    """A large number in few characters: 950, 12.3k, 5.1M."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.1f}{unit}"
    return count(number)


def rate(per_s: float) -> str:
    """A rate per second: 816/s, 8.2/s, 0.25/s."""
    return f"{_digits(per_s)}/s"


def usd(amount: float | None) -> str:
    """US dollars: $1,234, $12.34, $0.0123; None is "unknown"."""
    if amount is None:
        return "unknown"
    if not amount or amount >= 100:
        return f"${amount:,.0f}"
    return f"${amount:.2f}" if amount >= 1 else f"${_significant(amount)}"


def at_least(amount: float, unpriced: int) -> str:
    """A sum that lacks the cost of so many calls: $1.20, "at least $1.20", or "unknown"."""
    if not unpriced:
        return usd(amount)
    return f"at least {usd(amount)}" if amount else "unknown"


def percent(part: float, whole: float) -> str:
    """A share: 38%, 0.4%; 100% only when nothing is missing, 0% only when there is nothing."""
    if not whole or part in (0, whole):
        return "100%" if whole and part else "0%"
    share = 100 * part / whole
    if 1 <= share < 99:
        return f"{share:.0f}%"
    return f"{min(99.9, max(0.1, share)):.1f}%"


def duration(seconds: float | None) -> str:
    """A duration: 12 ms, 1.2 s, 2 min 05 s, 3 h 12 min, 2 d 4 h."""
    if seconds is None:
        return "unknown"
    if not seconds:
        return "0 s"
    if seconds < 0.9995:
        return f"{_digits(seconds * 1000)} ms"
    if seconds < 59.95:
        return f"{_digits(seconds)} s" if seconds < 9.95 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours_left = divmod(hours, 24)
    if days:
        return f"{days} d {hours_left} h"
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def moment(unix_s: float | None) -> str:
    """A Unix time as local date and time: 2026-01-31 14:05:12 CET."""
    if unix_s is None:
        return "unknown"
    return f"{datetime.fromtimestamp(unix_s, UTC).astimezone():%Y-%m-%d %H:%M:%S %Z}"


def _digits(number: float) -> str:
    if not number or number >= 9.95:
        return f"{number:,.0f}"
    return f"{number:.1f}" if number >= 0.995 else _significant(number, 2)


def _significant(number: float, digits: int = 3) -> str:
    """A number below 1 without an exponent and without trailing zeros."""
    if number < 1e-9:
        return "0"
    places = digits - 1 - int(f"{number:e}".partition("e")[2])
    return f"{number:.{places}f}".rstrip("0").rstrip(".")
