"""Limits among shards that do not know of each other: the parts add up to the whole, and none is 0."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaizen_batch import BatchConfig, ConfigError
from kaizen_batch.distributed import Shard
from kaizen_batch.distributed.division import divided


@given(st.integers(1, 40), st.integers(0, 1000))
def test_the_parts_add_up(shards: int, more: int) -> None:
    whole = BatchConfig(llm_provider="mock", max_concurrent=shards + more, requests_per_minute=shards, budget_usd=1.0)
    parts = [divided(whole, Shard(number, shards)) for number in range(1, shards + 1)]
    assert sum(part.max_concurrent for part in parts) == whole.max_concurrent
    assert [part.requests_per_minute for part in parts] == [1] * shards
    assert sum(part.budget_usd or 0 for part in parts) == pytest.approx(1.0)
    assert all(part.tokens_per_minute is None for part in parts)


def test_each_of_several_endpoints_is_divided() -> None:
    urls = [{"url": "http://a/v1", "requests_per_minute": 10}, "http://b/v1"]
    whole = BatchConfig(base_url=urls, endpoint_name="x", api_key="k", max_concurrent=4)
    first, last = (divided(whole, Shard(number, 4)).endpoint_configs()[0] for number in (1, 4))
    assert (first.requests_per_minute, last.requests_per_minute) == (3, 2)


def test_a_limit_below_the_number_of_shards_is_refused() -> None:
    whole = BatchConfig(llm_provider="mock", max_concurrent=16, requests_per_second=3)
    with pytest.raises(ConfigError, match="requests_per_second=3 cannot be divided among 4 shards"):
        divided(whole, Shard(1, 4))
