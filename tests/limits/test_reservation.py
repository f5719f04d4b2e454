"""Reservations: each is a separate one, even with equal values, and unknown use is None."""

from kaizen_batch.limits import Reservation
from kaizen_batch.limits.reservation import InFlight


def test_reservations_of_equal_size_are_different_calls() -> None:
    one, two = Reservation(10, 0.5), Reservation(10, 0.5)
    assert one != two
    assert len({id(one), id(two)}) == 2


def test_nothing_is_used_until_it_is_known() -> None:
    reservation = Reservation(10, 0.5)
    assert (reservation.used_tokens, reservation.used_usd, reservation.probe) == (None, None, False)


def test_nothing_is_in_flight_at_first() -> None:
    in_flight = InFlight()
    assert (in_flight.calls, in_flight.tokens) == (0, 0)
