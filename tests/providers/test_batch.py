"""Limits of providers, and prices as a share."""

from pathlib import Path

import pytest

from kaizen_batch import BatchConfig, BatchProcessorAgent, ConfigError, Journal, Price
from kaizen_batch.config import BatchSettings
from kaizen_batch.providers.batch import KNOWN, BatchLimits, KnownProvider, RemoteBatch, limits_at, scaled, within
from kaizen_batch.simulator import Simulator
from tests.docs.pages import DOCS


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


def row_of(known: KnownProvider) -> str:
    """The row of docs/batch.md."""
    limits = known.limits
    discount = "none assumed" if limits.discount is None else f"{1 - limits.discount:.0%}"
    size = f"{limits.requests:,} | {limits.bytes // 10**6}"
    return f"| {known.name} | {size} | {discount} | <{known.source}> | {known.checked} |"


def test_the_page_shows_the_table_with_the_source_of_each_row_and_how_it_was_checked() -> None:
    page = (DOCS / "batch.md").read_text(encoding="utf-8")
    for known in KNOWN:
        assert row_of(known) in page.splitlines()
        assert known.source.startswith("https://") and known.checked


def test_what_the_user_knows_better_replaces_the_table() -> None:
    given = {"requests": 90_000, "bytes": 10**9, "url": "/chat/completions", "purpose": "x", "window": "48h"}
    settings = BatchSettings(rows=100_000, limits={**given, "discount": 0.4})
    assert within(BatchLimits(discount=0.5), settings) == BatchLimits(**given, discount=0.4)
    assert within(BatchLimits(enqueued_tokens=5), BatchSettings(limits={"enqueued_tokens": 50})).enqueued_tokens == 50
    lowered = within(BatchLimits(), BatchSettings(rows=10, bytes=20, limits={"requests": 90_000, "bytes": 10**9}))
    assert (lowered.requests, lowered.bytes) == (10, 20)


@pytest.mark.parametrize("limits", [{"rows": 5}, {"requests": 0}, {"discount": -1}, {"url": ""}, {"bytes": "many"}])
def test_limits_that_are_none_are_refused(limits: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="batches"):
        BatchConfig(llm_provider="mock", batches={"limits": limits})  # type: ignore[typeddict-item]


async def test_a_provider_that_the_table_does_not_know_gets_files_as_the_user_says(tmp_path: Path) -> None:
    with Simulator(batch_s=0.05) as simulator:
        agent = BatchProcessorAgent(
            base_url=simulator.base_url,
            mode="batch",
            journal=tmp_path / "run.db",
            price={"input": 1.0, "output": 2.0},
            batches={"live_first": 1, "poll_s": 0.02, "limits": {"requests": 10, "discount": 0.5}},
        )
        result = await agent.run_batch([f"question {n}" for n in range(31)])
    assert result.summary.ok == 31
    assert [batch.rows for batch in agent.batches] == [10, 10, 10]
    spent = Journal(tmp_path / "run.db").totals().spent_usd
    assert {entry.via for entry in Journal(tmp_path / "run.db")} == {"live", "batch"} and spent > 0


def test_a_share_of_a_price_keeps_its_tiers() -> None:
    price = Price(1.0, 2.0, 0.5, ((1000, Price(3.0, 4.0)),))
    assert scaled(price, 0.5) == Price(0.5, 1.0, 0.25, ((1000, Price(1.5, 2.0)),))


@pytest.mark.parametrize(("status", "ended"), [("expired", True), ("cancelling", False), ("finalizing", False)])
def test_a_batch_has_ended_in_four_states(status: str, ended: bool) -> None:
    assert RemoteBatch("b", status, {}, None, None, None).has_ended is ended
