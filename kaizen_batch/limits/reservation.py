"""What every limit is: three plain methods on a clock that is handed in, so that no event loop is needed."""

from typing import Protocol

from msgspec import Struct


class Reservation(Struct, eq=False, gc=False):
    """What one call asks of the limits before it is sent, and what it took in the end.

    `tokens` and `usd` are reserved and bound the call from above; `body_bytes` is the size they were estimated from.
    `used_tokens` and `used_usd` are filled in before the call is released; None means that nobody knows, and then
    what was reserved counts as used. `usd_pico` is the budget's own: `usd` in its unit. A `probe` is let through an
    open circuit. `sent_at` is when the call was sent, on the loop's clock. `headroom` are tokens that must be free
    beyond the reserved ones, since `tokens` is what calls usually take. `early` is the pacer's own. `endpoint`
    is the number of the endpoint that the call goes to, of several; before it is placed, of the one to avoid. `price`
    is that of the request, if it has one of its own; False: the endpoint's.
    """

    tokens: int = 0
    usd: float = 0.0
    used_tokens: int | None = None
    used_usd: float | None = None
    body_bytes: int = 0
    usd_pico: int | None = None
    probe: bool = False
    sent_at: float = 0.0
    headroom: int = 0
    early: bool = False
    endpoint: int = -1
    price: object = False


NEVER_SENT = -(2**63)
"""As `used_tokens`: the call was withdrawn before it was sent, and the endpoint has not counted it."""


class InFlight:
    """The calls to one endpoint that are under way, and the tokens they have reserved."""

    __slots__ = ("calls", "tokens")

    def __init__(self) -> None:
        self.calls: int = 0
        self.tokens: int = 0


class Limit(Protocol):
    """One reason to hold a call back. `now` is the loop's clock, in seconds."""

    @property
    def name(self) -> str:
        """What a call waits for, in the words of a progress line."""

    def check(self, reservation: Reservation) -> None:
        """Raise ItemTooLargeError for a call that this limit can never let through."""

    def delay(self, reservation: Reservation, now: float) -> float:
        """0.0 if the call may go now, else seconds until asking again makes sense: inf if a call must end first."""

    def reserve(self, reservation: Reservation, now: float) -> None:
        """Book a call that goes now."""

    def commit(self, reservation: Reservation, now: float) -> None:
        """Book its end: answered, failed or cancelled."""


class JoiningLimit(Limit, Protocol):
    """A limit that a queue need not obey, nor spend time on, before something happens."""

    def join(self, in_flight: int, tokens: int) -> None:
        """Count from now on: so many calls, of so many tokens, are in flight."""
