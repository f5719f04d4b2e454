"""What a progress display shows: figures computed from samples, as short texts. No display, no clock."""

from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

from kaizen_batch.events import BatchProgress
from kaizen_batch.results import BatchSummary
from kaizen_batch.results.texts.names import item_name
from kaizen_batch.results.texts.numbers import count, counted, duration, short, usd
from kaizen_batch.results.texts.summary import Ending, failures_text, sentences
from kaizen_batch.results.texts.terminal import one_line
from kaizen_batch.results.texts.waits import reason_of, with_noun

_RECENT_S = 15.0
_LONG_S = 120.0
_STALLED_S = 5.0
_SLOW_CALL_S = 10.0
_LATER = 1.1


class Pace:
    """How fast a run is now, what that says of its end, and how long nothing has finished.

    Items that needed no call (replayed from the journal, or not attempted because the run had ended) finish at once
    and say nothing about the rest: they do not count.
    """

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque([(0.0, 0)])
        self._moved_s = 0.0
        self._expected_end_s: float | None = None
        self.later_s: float = 0.0

    def add(self, progress: BatchProgress) -> None:
        """Take a sample; those of the last two minutes are kept."""
        worked, now_s = _worked(progress), progress.elapsed_s
        if not worked:
            self._samples.clear()
        if not self._samples or worked != self._samples[-1][1] or progress.done == 0:
            self._moved_s = now_s if worked or progress.from_journal else self._moved_s
        self._samples.append((now_s, worked))
        while len(self._samples) > 2 and self._samples[1][0] <= now_s - _LONG_S:
            self._samples.popleft()
        self._expect(progress)

    def _expect(self, progress: BatchProgress) -> None:
        left_s = self.seconds_left(progress)
        if left_s is None:
            return
        end_s = progress.elapsed_s + left_s
        if self._expected_end_s is None or end_s < self._expected_end_s or progress.elapsed_s < _RECENT_S:
            self._expected_end_s = end_s
        late = end_s > self._expected_end_s * _LATER
        self.later_s = end_s - self._expected_end_s if late else 0.0

    @property
    def items_per_s(self) -> float:
        """Over the last 15 seconds."""
        return self._over(_RECENT_S)

    def stalled_s(self, progress: BatchProgress) -> float:
        """Seconds since an item last finished, 0.0 while the run moves."""
        still_s = progress.elapsed_s - self._moved_s
        return still_s if still_s >= _STALLED_S else 0.0

    def seconds_left(self, progress: BatchProgress) -> float | None:
        """Until the last item, at the pace of the last two minutes; None if unknown."""
        per_s = self._over(_LONG_S)
        return (progress.total - progress.done) / per_s if progress.total is not None and per_s > 0 else None

    def _over(self, seconds: float) -> float:
        """Items per second since the last sample that is at least so old."""
        newest_s, newest = self._samples[-1]
        base_s, base = self._samples[0]
        for sample_s, worked in self._samples:
            if sample_s > newest_s - seconds:
                break
            base_s, base = sample_s, worked
        return (newest - base) / (newest_s - base_s) if newest_s > base_s else 0.0


@dataclass(frozen=True, slots=True)
class View:
    """What a display shows of a run: percent done (None without a total), the count, and more, most important first."""

    percent: int | None
    count: str
    parts: tuple[str, ...]
    elapsed_s: float


class Words(NamedTuple):
    """What an item is called, and what to add to the age of a slow call, such as the limit that will end it."""

    noun: str = "item"
    call_limit: str = ""


ITEMS = Words()


def view_of(progress: BatchProgress, pace: Pace, *, writing: bool = False, words: Words = ITEMS) -> View:
    """The view of a run in progress: never at 100 percent, since its output is not closed.

    `writing` says that all results are there and are still being written.
    """
    total = progress.total
    writing = writing or (total is not None and progress.done >= total)
    percent = min(99, 100 * progress.done // total) if total else None
    shown = f"{count(progress.done)}/{count(total)}" if total is not None else counted(progress.done, words.noun)
    parts = ("writing ...",) if writing else _speed(progress, pace, words)
    return View(percent, shown, tuple(filter(None, (*parts, *_details(progress)))), progress.elapsed_s)


def text_of(progress: BatchProgress, pace: Pace) -> str:
    """All figures in one line, for displays that show count and share themselves."""
    return "; ".join(filter(None, (*_speed(progress, pace, ITEMS), *_details(progress))))


def totals_of(summary: BatchSummary, ending: Ending | None = None) -> tuple[str, ...]:
    """The sentences at the end of a run, most important first."""
    lines = sentences(summary.to_dict(), ending)
    return tuple(f"{line.label}: {line.text}" if line.label else line.text for line in lines)


def _speed(progress: BatchProgress, pace: Pace, words: Words) -> tuple[str, ...]:
    return (f"{pace.items_per_s:,.1f} {words.noun}s/s", _time_left(progress, pace), _waiting(progress, pace, words))


def _time_left(progress: BatchProgress, pace: Pace) -> str:
    left_s = pace.seconds_left(progress)
    if left_s is None or pace.stalled_s(progress):
        return ""
    later = f" ({duration(pace.later_s)} later than expected)" if pace.later_s else ""
    return f"{duration(left_s)} left{later}"


def _waiting(progress: BatchProgress, pace: Pace, words: Words) -> str:
    """What holds the run up: a limit, a pause, the reader; while nothing else does, the slowest call."""
    stalled_s = pace.stalled_s(progress)
    still = f"no {words.noun} finished for {duration(stalled_s)}" if stalled_s else ""
    reason = with_noun(one_line(progress.waiting_for or "", 200), words.noun)
    waiting = f"waiting for {reason}" if reason_of(progress.waiting_for) else ""
    oldest_s, slow = progress.oldest_call_s, ""
    threshold_s = _STALLED_S if stalled_s else _SLOW_CALL_S
    if oldest_s is not None and oldest_s >= threshold_s and progress.oldest_item is not None:
        item = item_name(progress.oldest_item, words.noun, progress.oldest_row)
        slow = f"the slowest call, {item}, has taken {duration(oldest_s)}"
        slow += words.call_limit
    return "; ".join(filter(None, (still, waiting, slow)))


def _details(progress: BatchProgress) -> tuple[str, ...]:
    failed = sum(progress.failures.values())
    return (
        f"{count(failed)} failed ({failures_text(progress.failures)})" if failed else "",
        _count_of(progress.failed - failed, "not attempted"),
        f"{count(progress.in_flight)} of {count(progress.limit)} calls in flight",
        _cost(progress),
        _tokens(progress.input_tokens, progress.output_tokens),
        _count_of(progress.throttles, "throttled"),
        _count_of(progress.from_journal, "from the journal"),
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
        return usd(cost)
    return f"{usd(cost)} of about {usd(cost / worked * (worked + progress.total - progress.done))}"


def _tokens(asked: int, answered: int) -> str:
    return f"{short(asked)} tokens in, {short(answered)} out" if asked or answered else ""


def _count_of(number: int, what: str) -> str:
    return f"{count(number)} {what}" if number else ""
