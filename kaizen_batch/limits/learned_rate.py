"""The limit of an endpoint that tells nobody its limits, learned from its refusals.

A refusal shows one moment at which a window is full. Then nothing goes for as long as the endpoint asks or, if it does
not, until one of the usual periods is over. A single call goes ahead; while none is refused, two follow, then four and
so on. What happens until the next refusal tells the kind of window:

- **A burst, then a long silence**: the window was empty, took so many calls, and let nobody in for much longer than
  that took. From then on at most that many calls go in the shortest usual period that explains the silence. Such a
  window slides or follows the clock; a sliding one of ours fits into both.
- **A trickle** (a token bucket, or a window whose calls are spread): the window is full at both ends, so the answers
  between, divided by the time, are the rate. It is used at 98% and grows, slowly at first and then faster (like CUBIC,
  RFC 9438), so that a higher limit is found and the known one costs few refusals.

**A limit may be higher** than what was learned: now and then a window lets a few more through for one period. Each such
trial that is refused doubles the time to the next, each that is not doubles the step.

**Noise** is no limit. Learning begins only when more than one call in five is refused. If refusals go on although what
was learned is kept, slowing down does not help: it is forgotten, and four times as many are needed to learn again.

Refusals of calls that were sent before the last moment of a full window belong to it and change nothing.
"""

import math
from array import array
from bisect import bisect_right

_ENOUGH = 5.0  # refusals
_MOST_ENOUGH = 160.0
_RELUCTANCE = 4.0
_CONTRADICTIONS = 5
_FORGETS = 0.2  # of a refusal, with each answer: one in five is a limit, less is noise
_PERIODS_S = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 60.0)
_SHORTEST_S = 1.0  # of the periods that a window may have
_ROUNDED_S = 1.05  # a Retry-After in whole seconds is up to this much too long
_BURST = 5  # calls: fewer are no burst
_SILENCE = 2.0  # times the burst
_LEAST_SILENCE_S = 0.4
_SHORT_S = 2.0
_MARGIN = 1.01  # of a period, and 10 ms: calls are on their way for unequal times
_MARGIN_S = 0.01
_GRACE_S = 0.05  # how long the single call goes ahead, at least
_UNBOUNDED = 512  # calls at once
_STEP = 0.02  # of a limit
_LONGEST_STEP = 0.64
_FIRST_TRIAL_S = 20.0
_LONGEST_TRIAL_S = 600.0
_AGAIN = 3  # periods
_LIKE = 0.9  # of a limit: a refusal that near to it is explained by it
_SHARE = 0.98
_LOWER = 0.95  # of a rate that was refused too early for a new one
_GROWTH = 0.001  # a second
_ACCELERATION_S = 20.0
_MEASURABLE_S = 0.5
_MEASURABLE = 5
_SLOWEST = 1 / 600
_MOST_SENT = 100_000


class _Window:
    """At most `limit` calls in `period_s` seconds, and now and then a few more to see whether they are refused."""

    __slots__ = ("_is_tried", "_refused_at", "_step", "_wait_s", "limit", "period_s", "trial_at")

    def __init__(self, limit: int, period_s: float, now: float) -> None:
        self.limit, self.period_s = limit, period_s
        self._step, self._is_tried = _STEP, False
        self._refused_at = -math.inf
        self._wait_s = max(_FIRST_TRIAL_S, 5 * period_s)
        self.trial_at: float = now + self._wait_s

    def delay(self, sent: "array[float]", now: float) -> float:
        """Seconds until one more may go."""
        span_s = self.period_s * _MARGIN + _MARGIN_S
        if now >= self.trial_at + 2 * span_s:
            self._end_trial(now)
        wait_s = sent[-self.limit] + span_s - now if len(sent) >= self.limit else 0.0
        if wait_s <= 0 or now < self.trial_at:
            return wait_s
        more = self._more()
        wait_s = sent[-more] + span_s - now if len(sent) >= more else 0.0
        self._is_tried = self._is_tried or wait_s <= 0
        return wait_s

    def _more(self) -> int:
        return self.limit + max(1, int(self.limit * self._step))

    def _end_trial(self, now: float) -> None:
        if self._is_tried:  # and was not refused
            self.limit, self._step = self._more(), min(_LONGEST_STEP, 2 * self._step)
            self.trial_at = now + self.period_s
        else:
            self.trial_at = now + self._wait_s
        self._is_tried = False

    def refused(self, went: int, now: float) -> bool:
        """A call was refused after so many had gone. Once may be chance: calls that were on their way for long.

        Returns whether it happened again.
        """
        again = now < self._refused_at + _AGAIN * self.period_s
        if again:
            self.limit = max(1, min(self.limit, went))
        self._refused_at = now
        return again

    def refused_trial(self, now: float) -> None:
        """The limit is what it seemed."""
        self._step, self._wait_s = _STEP, min(_LONGEST_TRIAL_S, 2 * self._wait_s)
        self.trial_at, self._is_tried = now + self._wait_s, False


class _Rate:
    """Calls in a second, from some moment on; `measured` grows."""

    __slots__ = ("_from", "_next_at", "value")

    def __init__(self, value: float, now: float) -> None:
        self.value = max(value, _SLOWEST)
        self._from = self._next_at = now

    def current(self, now: float) -> float:
        """The rate now."""
        age_s = max(0.0, now - self._from)
        return self.value * _SHARE * (1 + _GROWTH * age_s * (1 + (age_s / _ACCELERATION_S) ** 2))

    def delay(self, now: float) -> float:
        """Seconds until the next call may go."""
        return self._next_at + 1 / self.current(now) - now

    def reserve(self, now: float) -> None:
        """One goes: at its moment on the schedule, so that a late timer is caught up."""
        spacing_s = 1 / self.current(now)
        self._next_at = max(self._next_at + spacing_s, now - min(_GRACE_S, spacing_s / 2))


class LearnedRate:
    """Keeps calls back once refusals have shown a limit; `active` says whether it does."""

    def __init__(self) -> None:
        self._enough = _ENOUGH
        self._forget()

    def _forget(self) -> None:
        self.active: bool = False
        self._evidence, self._doubt = 0.0, 0
        self._sent = array("d")  # when calls went that were not refused
        self._window: _Window | None = None
        self._rate: _Rate | None = None
        self._epoch_at = -math.inf
        self._began_at: float | None = None  # when the first call went after the last silence
        self._full_at = self._refused_at = self._paused_until = -math.inf
        self._burst_s = math.inf  # from then to the moment when the window was full
        self._asked_s: float | None = None
        self._ahead, self._concluded = False, True
        self._allowed = self._left = _UNBOUNDED
        self._grace_s = _GRACE_S

    def _give_up(self) -> None:
        self._enough = min(_MOST_ENOUGH, _RELUCTANCE * self._enough)
        self._forget()

    def delay(self, now: float) -> float:
        """Seconds until the next call may go, or until asking again makes sense."""
        if now < self._paused_until:
            return self._paused_until - now
        if not self._concluded and not self._ahead:
            self._conclude(now)
        by_window = self._window.delay(self._sent, now) if self._window is not None else 0.0
        by_rate = self._rate.delay(now) if self._rate is not None else 0.0
        return max(0.0, by_window, by_rate)

    def reserve(self, now: float) -> None:
        """Book a call that goes now."""
        if self._ahead:
            self._ahead, self._began_at = False, now
        if self._left < _UNBOUNDED:
            self._left -= 1
            if not self._left:
                self._allowed *= 2
                self._left, self._paused_until = self._allowed, now + self._grace_s
        if self._rate is not None:
            self._rate.reserve(now)
        self._sent.append(now)
        if len(self._sent) > 2 * _MOST_SENT:
            del self._sent[:_MOST_SENT]

    def answered(self) -> None:
        """A call was answered."""
        if self._evidence:
            self._evidence = max(0.0, self._evidence - _FORGETS)

    def throttled(self, retry_after_s: float | None, sent_at: float, now: float, in_flight: int) -> None:
        """A call that was sent at `sent_at` was refused, while so many are in flight."""
        if place := bisect_right(self._sent, sent_at):
            del self._sent[place - 1]
        if not self.active:
            # Refusals come back sooner than answers: those in flight may be answered yet.
            self._evidence += 1
            self.active = self._evidence >= self._enough + _FORGETS * in_flight
            if not self.active:
                return
        elif sent_at < self._refused_at:
            return
        elif self._concluded and self._is_noise(sent_at, now):
            self._give_up()
            return
        self._wait(retry_after_s, sent_at, now)

    def _is_noise(self, sent_at: float, now: float) -> bool:
        """Whether refusals go on although what was learned is kept."""
        window, rate = self._window, self._rate
        if window is not None:
            if sent_at >= window.trial_at:
                window.refused_trial(now)
                self._doubt = 0
                return False
            if self._went(window.period_s, now) >= _LIKE * window.limit - 1:
                return False
        elif rate is None or rate.current(now) >= rate.value:
            self._doubt = 0
            return False
        self._doubt += 1
        return self._doubt >= _CONTRADICTIONS

    def _wait(self, retry_after_s: float | None, sent_at: float, now: float) -> None:
        """Let nothing through until there may be room."""
        self._grace_s = max(_GRACE_S, 4 * (now - sent_at))
        if self._concluded:  # else the call that went ahead was refused: the silence goes on
            self._burst_s = now - self._began_at if self._began_at is not None else math.inf
            self._full_at, self._asked_s = now, retry_after_s
            self._measure(now)
        self._refused_at = now
        until = now + retry_after_s if retry_after_s is not None else self._next_period(now)
        self._paused_until = max(until, now + self._grace_s)
        self._ahead, self._concluded = True, False
        self._allowed = self._left = 1

    def _next_period(self, now: float) -> float:
        """When the next usual period is over that began with the burst."""
        start = self._full_at - (self._burst_s if self._burst_s < _SHORT_S else 0.0)
        for period_s in _PERIODS_S:
            if (at := start + period_s * _MARGIN + _MARGIN_S) > now + self._grace_s:
                return at
        return now + _PERIODS_S[-1]

    def _measure(self, now: float) -> None:
        """The rate between two moments of a full window."""
        elapsed_s, rate = now - self._epoch_at, self._rate
        calls = len(self._sent) - bisect_right(self._sent, self._epoch_at)
        if self._epoch_at > -math.inf and (elapsed_s < _MEASURABLE_S or calls < _MEASURABLE):
            if rate is not None:
                self._rate = _Rate(rate.value * _LOWER, now)
            return  # too early to tell; the epoch goes on: its beginning was a moment of a full window too
        if self._epoch_at > -math.inf and self._window is None:
            self._rate = _Rate(calls / elapsed_s, now)
        self._epoch_at = now

    def _conclude(self, now: float) -> None:
        """The call that went ahead was not refused: the silence is over, and tells the window."""
        assert self._began_at is not None
        self._concluded = True
        silence_s = self._began_at - self._full_at
        window = self._window
        if window is not None:
            went = self._went(window.period_s, self._full_at)
            if silence_s <= window.period_s * _MARGIN + _ROUNDED_S:
                # Not longer than its period: at most the limit is lower, else it was chance, and doubted already.
                if went >= _LIKE * window.limit - 1:
                    self._doubt += window.refused(went, now)
                if self._doubt >= _CONTRADICTIONS:
                    self._give_up()
                return
        elif silence_s < max(_LEAST_SILENCE_S, _SILENCE * self._burst_s):
            return
        lasted_s = silence_s - _ROUNDED_S if self._asked_s is not None else self._refused_at - self._full_at
        period_s = _period_of(lasted_s + min(self._burst_s, silence_s), silence_s)
        went = self._went(max(period_s, self._burst_s if self._burst_s < math.inf else 0.0), self._full_at)
        if went >= _BURST:
            self._window, self._rate = _Window(went, period_s, now), None

    def _went(self, seconds: float, until: float) -> int:
        """The calls that went in so many seconds and were not refused."""
        return bisect_right(self._sent, until) - bisect_right(self._sent, until - seconds)


def _period_of(at_least_s: float, at_most_s: float) -> float:
    """The shortest usual period that explains a silence."""
    usual = (period_s for period_s in _PERIODS_S if period_s >= max(at_least_s, _SHORTEST_S))
    return next(usual, max(at_least_s, at_most_s))
