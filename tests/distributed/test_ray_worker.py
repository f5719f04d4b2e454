"""The worker without a cluster: the actor's state survives it, and options come without keys and leased limits."""

from pathlib import Path

import pytest

from kaizen_batch import BatchConfig
from kaizen_batch.distributed.ray_worker import Leases, _options, _without_leased
from kaizen_batch.limits import RateLimit


def test_an_actor_that_starts_again_knows_what_it_granted(tmp_path: Path) -> None:
    limits = [RateLimit("requests", 10)]
    first = Leases(str(tmp_path / "run"), limits, 1.0, {"7": 0.25})
    assert first.lease((10, 0), 0) == (10, 0)
    first.begin("1", 0.0)
    assert first.cap("1", (0.5, 0.0, 0.1, True)) == (0.5, False)
    again = Leases(str(tmp_path / "run"), limits, 1.0, {"7": 0.25})
    assert again.lease((1, 0), 0) == (0, 0)
    assert again.cap("2", (0.5, 0.0, 0.1, True))[0] == 0.0  # 0.25 and 0.5 are committed
    again.end("1", 0.1)
    assert again.cap("2", (0.5, 0.0, 0.1, True))[0] == pytest.approx(0.5)


def test_progress_is_that_of_all_shards(tmp_path: Path) -> None:
    actor = Leases(str(tmp_path / "run"), [], None, {})
    actor.report("1", {"done": 3})
    actor.report("2", {"done": 4})
    actor.report("1", {"done": 5})
    assert sum(each["done"] for each in actor.progress()) == 9


def test_the_key_is_that_of_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = BatchConfig(api_key=None, base_url="http://127.0.0.1:9/v1", max_concurrent=9, requests_per_minute=5)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-worker")
    made = BatchConfig(**_options(sent))  # type: ignore[arg-type]
    assert made.api_key is not None and made.api_key.get_secret_value() == "sk-of-the-worker"
    own = _without_leased(made, 2)
    assert (own.max_concurrent, own.requests_per_minute, own.budget_usd) == (5, None, None)
