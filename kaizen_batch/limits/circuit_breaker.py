"""What closes an endpoint for everyone: a throttle, or a circuit breaker; and how it opens again."""

import math

from kaizen_batch.limits.reservation import Reservation

_FAILING_ITEMS = 5
_PAUSE_INITIAL_S = 1.0
_PAUSE_MAX_S = 60.0
_OPENINGS = 8


class CircuitBreaker:
    """Holds every call back while the endpoint wants none, then lets them through step by step.

    - A throttle (`hold`) closes it for some seconds; half as many calls as before may be in flight afterwards.
    - Five different items that fail in a row, with no success between, open the circuit: a pause of 1 s, then one
      call as a probe. If that fails, the pause doubles, up to 60 s; after eight pauses in a row the endpoint is
      given up.
    - Each success lets one more call in, until none is held back: slow start.

    One that does not give up (`gives_up` is False) goes on to probe once a minute: other endpoints serve meanwhile.
    Failures of calls that were sent before the last closing belong to it and change nothing.
    Sources: circuit breaker, M. Nygard, "Release It!", 2007; slow start and multiplicative decrease, RFC 5681.
    """

    def __init__(self, ceiling: int, *, pause_s: float = _PAUSE_INITIAL_S) -> None:
        self.in_flight: int = 0
        self.cause: str = ""
        self.unreached: bool = False
        self.ceiling: int = ceiling
        self.gives_up: bool = True
        self._pause_s = pause_s
        self._allowed: int | None = None
        self._until = 0.0
        self._closed_at = -math.inf
        self._failing: set[int] = set()
        self._openings = 0
        self._asked = False
        self._waits_for_slot = False

    @property
    def is_open(self) -> bool:
        """Whether failures have opened the circuit, and no call has succeeded since."""
        return self._openings > 0

    @property
    def is_healthy(self) -> bool:
        """Whether the last call that said anything of the endpoint was a success."""
        return not self._failing and not self._openings

    @property
    def is_given_up(self) -> bool:
        """Whether so many probes in a row have failed that an endpoint is given up."""
        return self._openings > _OPENINGS

    @property
    def name(self) -> str:
        """What a call waits for, with the error that caused it."""
        if self.unreached:
            what = "the endpoint to accept connections"
        elif self._openings:
            what = "the endpoint to recover"
        elif self._waits_for_slot:
            # Not counted as a wait: calls are under way, fewer than there could be.
            return f"a free slot; there are fewer since {self.cause}" if self.cause else "a free slot"
        else:
            what = "the pause that the endpoint asked for" if self._asked else "a pause after a throttled call"
        return f"{what} ({self.cause})" if self.cause else what

    def join(self, in_flight: int, tokens: int) -> None:
        """Count from now on."""
        self.in_flight = in_flight

    def check(self, reservation: Reservation) -> None:
        """Every call fits."""

    def delay(self, reservation: Reservation, now: float) -> float:
        """Seconds until the gate opens; inf while as many calls are in flight as may be."""
        if reservation.probe:
            return 0.0
        self._waits_for_slot = now >= self._until
        if not self._waits_for_slot:
            return self._until - now
        return math.inf if self._allowed is not None and self.in_flight >= self._allowed else 0.0

    def reserve(self, reservation: Reservation, now: float) -> None:
        """One more in flight."""
        self.in_flight += 1

    def commit(self, reservation: Reservation, now: float) -> None:
        """One less."""
        self.in_flight -= 1

    def pause(self, seconds: float, sent_at: float, now: float, *, asked: bool | None = None) -> None:
        """Close for so many seconds because a call sent at `sent_at` was throttled; a longer hold stays.

        `asked` says whether the endpoint has named the seconds; None leaves that as it was.
        """
        if asked is not None:
            self._asked = asked
        if sent_at >= self._closed_at:
            before = self._allowed or max(self.in_flight, 2)
            self._allowed = max(1, before // 2)
            self._closed_at = now
        self._until = max(self._until, now + seconds)

    def succeeded(self, reservation: Reservation) -> None:
        """A call was answered, be it with a refusal of its item: the endpoint works."""
        if reservation.probe and self._openings:
            self._until = 0.0
        if self._failing:
            self._failing.clear()
        self._openings, self.unreached = 0, False
        if self._allowed is not None:
            self._allowed = self._allowed + 1 if self._allowed < self.ceiling else None

    def failed(self, item: int, sent_at: float, now: float) -> float | None:
        """A call failed through the endpoint's fault. Seconds of the pause that this starts; 0.0 if it starts none.

        None means that the endpoint is given up.
        """
        if sent_at < self._closed_at:
            return 0.0
        self._failing.add(item)
        if len(self._failing) < _FAILING_ITEMS and not self._openings:
            return 0.0
        if self._openings == _OPENINGS and self.gives_up:
            return None
        pause_s = min(_PAUSE_MAX_S, self._pause_s * 2.0 ** min(self._openings, _OPENINGS))
        self._openings += 1
        self._failing.clear()
        self._allowed = 1
        self._closed_at = now
        self._until = max(self._until, now + pause_s)
        return pause_s
