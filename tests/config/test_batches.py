"""Settings of batches, and by when a run has to be done."""

from datetime import datetime

import pytest

from kaizen_batch import BatchConfig, BatchSettings, ConfigError, Price
from kaizen_batch.config import finish_at

NOW = datetime(2026, 11, 28, 12, 0).timestamp()
HOUR = 3600.0


@pytest.mark.parametrize(
    ("when", "seconds"),
    [
        ("6h", 6 * HOUR),
        ("90m", 1.5 * HOUR),
        ("1d12h", 36 * HOUR),
        ("0.5h", 0.5 * HOUR),
        (" 2H ", 2 * HOUR),
        (600, 600.0),
        ("13:30", 1.5 * HOUR),
        ("07:00", 19 * HOUR),
        ("2026-11-29T12:00", 24 * HOUR),
    ],
)
def test_a_span_a_time_of_day_or_a_time(when: str | float, seconds: float) -> None:
    assert finish_at(when, NOW) == NOW + seconds


def test_a_time_with_an_offset_is_the_same_everywhere() -> None:
    assert finish_at("2026-11-28T12:00+00:00", 0.0) == 1795867200.0


@pytest.mark.parametrize("when", ["soon", "", "6 hours", "25:00", "12:99", "2026-13-01", "-3h"])
def test_anything_else_is_an_error_that_shows_both_forms(when: str) -> None:
    with pytest.raises(ConfigError, match=r"6h.*07:00"):
        finish_at(when, NOW)
    with pytest.raises(ConfigError, match="finish_by"):
        BatchConfig(finish_by=when)


def test_the_settings_are_checked_and_frozen() -> None:
    settings = BatchConfig(batches={"rows": 100, "price": {"input": 1, "output": 2}}).batches
    assert (settings.rows, settings.price, settings.live_first) == (100, Price(1, 2), 10)
    assert settings == BatchSettings(rows=100, price=Price(1, 2))
    for wrong in ({"rows": 0}, {"poll_s": 0}, {"row": 5}, {"live_first": -1}):
        with pytest.raises(ConfigError, match="batches"):
            BatchConfig(batches=wrong)  # type: ignore[arg-type]


def test_the_mode_is_one_of_four() -> None:
    assert BatchConfig().mode == "live"
    with pytest.raises(ConfigError, match="mode"):
        BatchConfig(mode="slow")  # type: ignore[arg-type]


def test_a_mode_for_one_run_changes_nothing_else() -> None:
    config = BatchConfig(max_concurrent=3, journal="run.db")
    other = config.with_mode("batch")
    assert (other.mode, other.max_concurrent, other.journal) == ("batch", 3, config.journal)
