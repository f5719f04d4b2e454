"""When an attempt failed: again, or not, or is the whole run over? A decision without I/O."""

import random
from dataclasses import dataclass
from typing import ClassVar, TypedDict

from pydantic import BaseModel, ConfigDict, Field

from kaizen_batch.errors import (
    KaizenBatchError,
    NoAnswerError,
    OutputError,
    OverloadedError,
    ProviderError,
    ThrottledError,
    UnsupportedParameterError,
)


@dataclass(frozen=True, slots=True)
class RetryAfter:
    """Try the same item again after `wait_s` seconds; with `pause_s`, no call of the run goes before that is over."""

    wait_s: float
    pause_s: float | None = None


@dataclass(frozen=True, slots=True)
class FailItem:
    """This item has failed; the others go on."""


@dataclass(frozen=True, slots=True)
class AbortRun:
    """No item can succeed any more: start no further call."""


_ADAPTATIONS = 8
_COST_RETRY = 5
_JITTER = 0.05
_MOST_JITTER_S = 1.0
_COST_NO_ANSWER = 10

Decision = RetryAfter | FailItem | AbortRun

FAIL_ITEM = FailItem()
ABORT_RUN = AbortRun()


@dataclass(slots=True)
class AttemptCounts:
    """What one item has used up so far: calls, how those that did not end well ended, and its share of the budget."""

    failures: int = 0
    throttles: int = 0
    reasks: int = 0
    adaptations: int = 0
    spent: int = 0

    def count(self, error: KaizenBatchError) -> None:
        """Book one more call that ended with this error."""
        if isinstance(error, OutputError):
            self.reasks += 1
        elif isinstance(error, ThrottledError):
            self.throttles += 1
        elif isinstance(error, UnsupportedParameterError):
            self.adaptations += 1
        else:
            self.failures += 1


class RetryOptions(TypedDict, total=False):
    """The options of RetryPolicy, as a dict."""

    attempts: int
    throttles: int
    wait_initial: float
    wait_max: float
    wait_jitter: bool
    retry_after_max: float
    budget: int


class RetryPolicy(BaseModel):
    """How often and how long apart a failed call is made again.

    >>> RetryPolicy(attempts=3, wait_jitter=False).backoff_s(failures=2)
    1.0

    `attempts` bounds the calls for one item that fail by their own fault, the first one included. A throttle
    (429) is not the item's fault: it is bounded by `throttles`, and all workers pause for what the endpoint asks,
    plus a little jitter. The item's own wait is exponential with full jitter, uniform in
    [0, min(wait_max, wait_initial * 2**(n-1))] seconds, and never ends before the endpoint's pause; an endpoint that
    asks for more than `retry_after_max` seconds ends the run instead. `budget` bounds
    the retries of a whole run; see RetryBudget.

    Source: Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    attempts: int = Field(default=5, ge=1, le=100)
    throttles: int = Field(default=20, ge=0, le=1000)
    wait_initial: float = Field(default=0.5, ge=0, le=3600)
    wait_max: float = Field(default=30.0, ge=0, le=3600)
    wait_jitter: bool = True
    retry_after_max: float = Field(default=600.0, ge=0)
    budget: int = Field(default=500, ge=0)

    def __call__(self, error: KaizenBatchError, used: AttemptCounts, max_reasks: int = 0) -> Decision:
        """What follows from this error; `used` counts it already."""
        if error.fatal:
            return ABORT_RUN
        if isinstance(error, UnsupportedParameterError):
            return RetryAfter(0.0) if used.adaptations <= _ADAPTATIONS else FAIL_ITEM
        if not error.retryable:
            return FAIL_ITEM
        if isinstance(error, OutputError):
            return RetryAfter(0.0) if used.reasks <= max_reasks else FAIL_ITEM
        return self._again(error, used)

    def _again(self, error: KaizenBatchError, used: AttemptCounts) -> Decision:
        asked = (error.retry_after_s or 0.0) if isinstance(error, ProviderError) else 0.0
        throttled = isinstance(error, ThrottledError)
        count, limit = (used.throttles, self.throttles + 1) if throttled else (used.failures, self.attempts)
        if count >= limit:
            return FAIL_ITEM
        if asked > self.retry_after_max:
            return ABORT_RUN
        # An overloaded server wants a longer wait than a stumbling one: start three doublings up.
        steps = count + 3 if isinstance(error, OverloadedError) else count
        if throttled:
            # All workers wait for what the server asked, but not for this item's own backoff.
            return RetryAfter(self.backoff_s(steps), pause_s=asked + self._jitter_s(asked))
        return RetryAfter(asked + self.backoff_s(steps))

    def _jitter_s(self, asked_s: float) -> float:
        return random.uniform(0.0, min(_MOST_JITTER_S, _JITTER * (asked_s + 1.0))) if self.wait_jitter else 0.0

    def backoff_s(self, failures: int) -> float:
        """Seconds to wait after the n-th failure (from 1)."""
        ceiling = min(self.wait_max, self.wait_initial * 2.0 ** min(failures - 1, 60))
        return random.uniform(0.0, ceiling) if self.wait_jitter else ceiling


class RetryBudget:
    """What all retries of one run may cost together, so that a dead endpoint costs a bounded number of calls.

    >>> budget = RetryBudget(500)
    >>> budget.spend(error)  # False: no retry is left
    True

    A token bucket: a retry costs 5, one after no answer 10; a success pays back what its item spent, or 1 if it
    spent nothing. Throttles and re-asks cost nothing: they have limits of their own.
    Source: botocore, `retries/quota.py` and `retries/standard.py` ("standard" mode).
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self.left: int = capacity

    def spend(self, error: KaizenBatchError, used: AttemptCounts) -> bool:
        """Pay for one more attempt after this error; False, and nothing spent, if the rest does not cover it."""
        if isinstance(error, OutputError | ThrottledError | UnsupportedParameterError):
            return True
        cost = _COST_NO_ANSWER if isinstance(error, NoAnswerError) else _COST_RETRY
        if cost > self.left:
            return False
        self.left -= cost
        used.spent += cost
        return True

    def earn(self, used: AttemptCounts | None) -> None:
        """Book a success of an item; `used` is None if nothing had failed before."""
        if used is not None and used.spent:
            self.left = min(self._capacity, self.left + used.spent)
            used.spent = 0
        elif self.left < self._capacity:
            self.left += 1
