"""What a request can cost."""

import pytest

from kaizen_batch import BatchConfig, MockProvider, Price, Request
from kaizen_batch.agents.prices import input_size, list_price, tier_of


@pytest.mark.parametrize(
    ("parameters", "tier"),
    [
        (None, None),
        ({}, None),
        ({"service_tier": "auto"}, None),
        ({"service_tier": "default"}, None),
        ({"service_tier": "flex"}, "flex"),
    ],
)
def test_the_tier_of_a_request(parameters: dict[str, object] | None, tier: str | None) -> None:
    assert tier_of(parameters) == tier


def test_each_tier_asks_the_provider_for_its_price() -> None:
    class Tiers(MockProvider):
        def price(self, model: str) -> Price:
            return Price(1, 1)

        def price_in(self, model: str, mode: str) -> Price:
            return Price(2, 2)

    assert (list_price(Tiers(), "m", None), list_price(Tiers(), "m", "flex")) == (Price(1, 1), Price(2, 2))


def test_what_nothing_bounds_counts_as_the_context_window() -> None:
    part = {"type": "image_url", "image_url": {"url": "https://a.example/x.png"}}
    request = Request("gpt-4o-mini", [{"role": "user", "content": [part]}])
    assert input_size(request, b"x" * 50, BatchConfig()) == (128_000, True)
    assert input_size(request, b"x" * 50, BatchConfig(base_url="http://127.0.0.1:1/v1")) == (50, False)
    assert input_size(Request("m", [{"role": "user", "content": "hi"}]), b"x" * 50, BatchConfig()) == (50, True)
