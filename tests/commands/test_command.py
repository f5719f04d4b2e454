"""Words for people."""

import pytest

from kaizen_batch.commands.command import duration, usd


@pytest.mark.parametrize(
    ("amount", "shown"),
    [(None, "unknown"), (0, "0.00 USD"), (1234.5, "1,234.50 USD"), (0.5, "0.50 USD"), (0.0000871, "0.000087 USD")],
)
def test_money(amount: float | None, shown: str) -> None:
    assert usd(amount) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.25, "0.2 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (75, "1 min 15 s"),
        (7_300, "2 h 1 min"),
        (3_599.7, "1 h 0 min"),
    ],
)
def test_durations(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown
