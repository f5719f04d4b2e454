"""What a progress display says: figures from samples, and their words. No display, no clock."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from kaizen_batch.events import BatchProgress
from kaizen_batch.results import BatchSummary

_RECENT_S = 15.0
_LONG_S = 120.0
_NOT_WORTH_SHOWING = "a free place"
_UNITS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


class Pace:
    """How fast a run is now, and what that says of its end.

    Items that needed no call (the journal had them, or the run had ended) come in no time and say nothing of those
    to come: they do not count.
    """

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque([(0.0, 0)])

    def add(self, progress: BatchProgress) -> None:
        """Take in a sample; those of the last two minutes are kept."""
        worked = _worked(progress)
        if not worked:
            self._samples.clear()
        self._samples.append((progress.elapsed_s, worked))
        while len(self._samples) > 2 and self._samples[1][0] <= progress.elapsed_s - _LONG_S:
            self._samples.popleft()

    @property
    def items_per_s(self) -> float:
        """Over the last 15 seconds."""
        return self._over(_RECENT_S)

    def seconds_left(self, progress: BatchProgress) -> float | None:
        """Until the last item, as fast as in the last two minutes; None if that cannot be said."""
        rate = self._over(_LONG_S)
        return (progress.total - progress.done) / rate if progress.total is not None and rate > 0 else None

    def _over(self, seconds: float) -> float:
        """Items a second since the last sample that is at least so old."""
        newest_s, newest = self._samples[-1]
        base_s, base = self._samples[0]
        for sample_s, worked in self._samples:
            if sample_s > newest_s - seconds:
                break
            base_s, base = sample_s, worked
        return (newest - base) / (newest_s - base_s) if newest_s > base_s else 0.0


@dataclass(frozen=True, slots=True)
class View:
    """What a display shows of a run: percent done (None without a total), the count, and more, in order of weight."""

    percent: int | None
    count: str
    parts: tuple[str, ...]
    elapsed_s: float


def view_of(progress: BatchProgress, pace: Pace, *, writing: bool = False) -> View:
    """The view of a run that is under way: never at 100 percent, since its output is not closed.

    `writing` says that all results are there and are still being written.
    """
    total = progress.total
    writing = writing or (total is not None and progress.done >= total)
    percent = min(99, 100 * progress.done // total) if total else None
    count = f"{progress.done:,}" + (f"/{total:,}" if total is not None else " items")
    parts = ("writing ...",) if writing else _speed(progress, pace)
    return View(percent, count, tuple(filter(None, (*parts, *_details(progress)))), progress.elapsed_s)


def text_of(progress: BatchProgress, pace: Pace) -> str:
    """All figures in one line, for whoever shows the count and the share by itself."""
    return "; ".join(filter(None, (*_speed(progress, pace), *_details(progress))))


def totals_of(summary: BatchSummary) -> tuple[str, ...]:
    """What there is to say when a run is over, most important first. Errors are named by their class only."""
    worked = summary.ok + summary.failed - summary.from_journal
    speed = f" ({worked / summary.elapsed_s:,.1f} items/s)" if summary.elapsed_s and worked else ""
    parts = (
        f"{summary.total:,} items in {_clock(summary.elapsed_s)}{speed}: {summary.ok:,} ok",
        failures_text(summary.failed, summary.failures),
        _counted(summary.not_attempted, "not attempted"),
        f"stopped by {summary.stopped.partition(':')[0]}" if summary.stopped else "",
        _counted(summary.from_journal, "without a call"),
        _counted(summary.calls, "calls"),
        _counted(summary.throttles, "throttled"),
        _tokens(summary.input_tokens, summary.output_tokens),
        _usd(summary.cost_usd) if summary.cost_usd is not None else "",
    )
    return tuple(filter(None, parts))


def failures_text(failed: int, failures: Mapping[str, int]) -> str:
    """`"12 failed (8 length, 4 refusal)"`, the commonest first; an empty text if nothing failed."""
    if not failed:
        return ""
    by_code = sorted(failures.items(), key=lambda item: -item[1])
    codes = ", ".join(f"{count:,} {code}" for code, count in by_code[:4]) + (", ..." if len(by_code) > 4 else "")
    return f"{failed:,} failed" + (f" ({codes})" if codes else "")


def _speed(progress: BatchProgress, pace: Pace) -> tuple[str, ...]:
    left = pace.seconds_left(progress)
    waiting = progress.waiting_for
    shown = waiting is not None and not waiting.startswith(_NOT_WORTH_SHOWING)
    return (
        f"{pace.items_per_s:,.1f} items/s",
        f"{_clock(left)} left" if left is not None else "",
        f"waiting for {waiting}" if shown else "",
    )


def _details(progress: BatchProgress) -> tuple[str, ...]:
    failed = sum(progress.failures.values())
    return (
        failures_text(failed, progress.failures),
        _counted(progress.failed - failed, "not attempted"),
        f"{progress.in_flight:,} of {progress.limit:,} in flight",
        _cost(progress),
        _tokens(progress.input_tokens, progress.output_tokens),
        _counted(progress.throttles, "throttled"),
        _counted(progress.from_journal, "without a call"),
    )


def _worked(progress: BatchProgress) -> int:
    """Items done that were worked on in this run."""
    not_attempted = progress.failed - sum(progress.failures.values())
    return progress.done - progress.from_journal - not_attempted


def _cost(progress: BatchProgress) -> str:
    """What was paid, and what the whole run will cost if the rest costs the same."""
    cost, worked = progress.cost_usd, _worked(progress)
    if cost is None:
        return ""
    if progress.total is None or worked <= 0 or cost == 0 or progress.done >= progress.total:
        return _usd(cost)
    return f"{_usd(cost)} of about {_usd(cost / worked * (worked + progress.total - progress.done))}"


def _tokens(asked: int, answered: int) -> str:
    return f"{_short(asked)} tokens in, {_short(answered)} out" if asked or answered else ""


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}" if count else ""


def _usd(amount: float) -> str:
    return f"${amount:,.2f}" if amount >= 1 or amount == 0 else f"${amount:.4f}"


def _short(count: int) -> str:
    """`950`, `12.3k`, `5.1M`."""
    return next((f"{count / size:.1f}{unit}" for size, unit in _UNITS if count >= size), str(count))


def _clock(seconds: float) -> str:
    """`0:07`, `12:30`, `3:02:09`, `2 d 03:00:00`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours:02}:{minutes:02}:{rest:02}"
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
