"""A call in a queue, and how its turn reaches it from another thread."""

import asyncio

from kaizen_batch.limits.reservation import Reservation


class Waiter:
    """A call in a queue; `admitted` once its limits have reserved, `gone` once it does not wait any more."""

    __slots__ = ("admitted", "gone", "reservation", "turn")

    def __init__(self, reservation: Reservation, turn: "asyncio.Future[None]") -> None:
        self.reservation: Reservation = reservation
        self.turn: asyncio.Future[None] = turn
        self.admitted: bool = False
        self.gone: bool = False

    def hand_over(self, error: Exception | None = None) -> bool:
        """Complete its future on its own loop; False if that loop is closed."""
        self.gone = True
        loop = self.turn.get_loop()
        if loop is asyncio._get_running_loop():
            _complete(self.turn, error)
            return True
        try:
            loop.call_soon_threadsafe(_complete, self.turn, error)
        except RuntimeError:
            return False
        return True


def _complete(turn: "asyncio.Future[None]", error: Exception | None) -> None:
    if turn.done():
        return
    if error is None:
        turn.set_result(None)
    else:
        turn.set_exception(error)
