"""Figures as people read them."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from kaizen_batch.results.texts.numbers import at_least, count, counted, duration, moment, percent, rate, short, usd


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (count(1234567), "1,234,567"),
        (rate(816.4), "816/s"),
        (rate(8.24), "8.2/s"),
        (rate(0.254), "0.25/s"),
        (rate(0), "0/s"),
        (usd(None), "unknown"),
        (usd(0.0), "$0"),
        (usd(0.01234), "$0.0123"),
        (usd(0.5), "$0.5"),
        (usd(0.00000412), "$0.00000412"),
        (usd(12.344), "$12.34"),
        (usd(1234.5), "$1,234"),
        (percent(0, 0), "0%"),
        (percent(0, 10), "0%"),
        (percent(1, 100_000), "0.1%"),
        (percent(99_999, 100_000), "99.9%"),
        (percent(38, 100), "38%"),
        (percent(7, 7), "100%"),
        (duration(None), "unknown"),
        (duration(0.0123), "12 ms"),
        (duration(0.0004), "0.4 ms"),
        (duration(1.23), "1.2 s"),
        (duration(12.3), "12 s"),
        (duration(59.97), "1 min 00 s"),
        (duration(125), "2 min 05 s"),
        (duration(3 * 3600 + 12 * 60 + 31), "3 h 12 min"),
        (duration(2 * 86400 + 4 * 3600), "2 d 4 h"),
        (moment(None), "unknown"),
    ],
)
def test_figures(shown: str, expected: str) -> None:
    assert shown == expected


@given(some.floats(0, 1e12, allow_subnormal=False))
def test_no_figure_has_an_exponent_or_is_long(number: float) -> None:
    for shown in (count(number), rate(number), usd(number), duration(number)):
        assert "e" not in shown.replace("$", "")
        assert len(shown) <= 20


def test_a_moment_names_its_time_zone() -> None:
    day, time, zone = moment(0.0).split(" ")
    assert len(day) == 10
    assert time.count(":") == 2
    assert zone


def test_a_noun_has_its_number_and_large_numbers_are_short() -> None:
    assert (counted(1, "row"), counted(1234, "row")) == ("1 row", "1,234 rows")
    assert [short(n) for n in (950, 12_300, 5_140_000, 2e9)] == ["950", "12.3k", "5.1M", "2.0G"]


def test_a_sum_that_lacks_prices_is_a_lower_bound() -> None:
    assert at_least(1.2, 0) == "$1.20" and at_least(0, 0) == "$0"
    assert at_least(1.2, 3) == "at least $1.20" and at_least(0, 3) == "unknown"
