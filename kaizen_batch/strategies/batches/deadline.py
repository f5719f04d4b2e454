"""By when a batch run has to give up its batches, so that what they have not answered is answered live in time."""

from dataclasses import dataclass

from kaizen_batch.config import RunConfig

_LATENCY_S = 5.0  # of a live call, where none was made yet
_SLACK = 1.5
_START_S = 5.0  # what a live run takes beside its calls


@dataclass(slots=True)
class LiveTime:
    """How long rows take live: what a call takes on average, as soon as that is known, and how many at once."""

    config: RunConfig
    latency_s: float | None = None

    def seconds(self, rows: int) -> float:
        """Seconds for so many rows, with half as much to spare."""
        config = self.config
        by_calls = rows * (self.latency_s or _LATENCY_S) / min(config.max_concurrent, max(1, rows))
        by_requests = 60 * rows / config.requests_per_minute if config.requests_per_minute else 0.0
        return _START_S + _SLACK * max(by_calls, by_requests)


@dataclass(frozen=True, slots=True)
class Deadline:
    """`at` is when everything has to be done (Unix time), None if there is no such time.

    A batch needs time to end after a cancellation. So the batches are cancelled at `at` minus twice the live time, and
    left to themselves at `at` minus the live time.
    """

    at: float | None
    live: LiveTime

    def cancel_at(self, rows: int) -> float:
        """When to cancel the batches of so many rows; infinity if never."""
        return float("inf") if self.at is None else self.at - 2 * self.live.seconds(rows)

    def abandon_at(self, rows: int) -> float:
        """When to go on without them."""
        return float("inf") if self.at is None else self.at - self.live.seconds(rows)
