"""The cheapest mode that is done in time."""

import pytest

from kaizen_batch import Price
from kaizen_batch.config import Mode
from kaizen_batch.strategies.batches.modes import LEAST_BATCH_S, Modes

LIVE, HALF = Price(1.0, 2.0), Price(0.5, 1.0)
FOREVER = float("inf")


@pytest.mark.parametrize(
    ("prices", "left_s", "mode"),
    [
        ({"live": LIVE, "batch": HALF}, FOREVER, "batch"),
        ({"live": LIVE, "batch": HALF}, 200 + LEAST_BATCH_S, "batch"),
        ({"live": LIVE, "batch": HALF}, 199 + LEAST_BATCH_S, "live"),
        ({"live": LIVE, "flex": HALF, "batch": HALF}, FOREVER, "flex"),
        ({"live": LIVE, "flex": HALF}, 400, "flex"),
        ({"live": LIVE, "flex": HALF}, 399, "live"),
        ({"live": LIVE, "flex": HALF, "batch": Price(0.4, 1.0)}, FOREVER, "batch"),
        ({"live": LIVE, "batch": LIVE}, FOREVER, "live"),
        ({"live": None, "batch": None}, FOREVER, "batch"),
        ({"live": LIVE}, FOREVER, "live"),
        ({"live": LIVE, "batch": HALF}, -5, "live"),
    ],
)
def test_the_cheapest_that_is_done_in_time(prices: dict[Mode, Price | None], left_s: float, mode: Mode) -> None:
    assert Modes(prices, left_s, live_s=100.0).cheapest() == mode
