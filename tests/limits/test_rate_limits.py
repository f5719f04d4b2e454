"""RateLimits: ceilings that several agents keep together."""

import pytest

from kaizen_batch import ConfigError, RateLimit, RateLimits


def test_named_and_further_windows_hold_together() -> None:
    shared = RateLimits(requests_per_minute=300, windows=[RateLimit("requests", 50, period_s=10.0)])
    assert [(limit.limit, limit.period_s) for limit in shared.rate.limits] == [(300, 60.0), (50, 10.0)]
    assert shared.limits == (shared.rate,)


def test_slots_alone_are_a_limit() -> None:
    assert len(RateLimits(max_concurrent=3).limits) == 1


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({}, "needs a limit"),
        ({"max_concurrent": 0}, "max_concurrent=0"),
        ({"requests_per_day": 0}, "requests_per_day=0"),
    ],
)
def test_a_wrong_limit_is_named(options: dict[str, int], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        RateLimits(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("quantity", "limit", "period_s"), [("calls", 1, 60.0), ("requests", 0, 60.0), ("tokens", 1, 0.0)]
)
def test_a_wrong_window_is_refused(quantity: str, limit: int, period_s: float) -> None:
    with pytest.raises(ConfigError):
        RateLimit(quantity, limit, period_s)  # type: ignore[arg-type]
