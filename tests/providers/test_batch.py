"""Limits of providers, and prices as a share."""

import pytest

from kaizen_batch import Price
from kaizen_batch.config import BatchSettings
from kaizen_batch.providers.batch import BatchLimits, RemoteBatch, limits_at, scaled, within


@pytest.mark.parametrize(
    ("url", "requests", "discount"),
    [
        ("https://api.openai.com/v1", 50_000, 0.5),
        ("https://mine.openai.azure.com/openai/v1", 100_000, 0.5),
        ("https://api.deepinfra.com/v1/openai", 50_000, 0.8),
        ("https://api.together.xyz/v1", 50_000, None),
        ("http://127.0.0.1:8000/v1", 50_000, None),
        ("https://api.openai.com.proxy.example/v1", 50_000, None),
    ],
)
def test_the_limits_are_those_of_the_host(url: str, requests: int, discount: float | None) -> None:
    limits = limits_at(url)
    assert (limits.requests, limits.discount) == (requests, discount)


def test_settings_can_only_lower_limits() -> None:
    limits = BatchLimits(requests=100, bytes=1000, enqueued_tokens=50)
    assert within(limits, BatchSettings(rows=500, bytes=5000, enqueued_tokens=500)) == limits
    assert within(limits, BatchSettings(rows=10, bytes=20, enqueued_tokens=30)) == BatchLimits(10, 20, 30)
    assert within(BatchLimits(), BatchSettings()).enqueued_tokens is None


def test_a_share_of_a_price_keeps_its_tiers() -> None:
    price = Price(1.0, 2.0, 0.5, ((1000, Price(3.0, 4.0)),))
    assert scaled(price, 0.5) == Price(0.5, 1.0, 0.25, ((1000, Price(1.5, 2.0)),))


@pytest.mark.parametrize(("status", "ended"), [("expired", True), ("cancelling", False), ("finalizing", False)])
def test_a_batch_has_ended_in_four_states(status: str, ended: bool) -> None:
    assert RemoteBatch("b", status, {}, None, None, None).has_ended is ended
