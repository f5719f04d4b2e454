"""Rate limits: an endpoint that answers 429 to the first excess call never has to, and the limit is still used well.

Minutes are virtual if the endpoint is part of the test; over HTTP both sides use windows of one second.
"""

from typing import Any

import pytest

from kaizen_batch import ThrottledError
from kaizen_batch.simulator import Settings, Simulator
from kaizen_batch.simulator.settings import error_reply

virtual = pytest.mark.looptime(start=0)


def prompts(count: int, letters: int = 400) -> list[str]:
    """Prompts with the same number of tokens per byte, whose lengths differ by a factor of up to 4."""
    return [f"{number:06}".ljust(letters // (1 + number % 4), "x") for number in range(count)]


LIMITS = {
    "requests": {"requests_per_minute": 30},
    "tokens": {"tokens_per_minute": 4_500},
    "both, requests bind": {"requests_per_minute": 30, "tokens_per_minute": 100_000},
    "both, tokens bind": {"requests_per_minute": 600, "tokens_per_minute": 4_500},
}


@virtual
@pytest.mark.parametrize(
    ("limits", "announces"),
    [*((limits, False) for limits in LIMITS.values()), (LIMITS["both, tokens bind"], True)],
    ids=[*LIMITS, "both, and announced"],
)
async def test_no_minute_of_the_server_exceeds_the_limit_and_nine_tenths_are_used(
    ask_provider: Any, assert_right: Any, virtual_endpoint: Any, limits: dict[str, int], announces: bool
) -> None:
    endpoint, items = virtual_endpoint(Settings(**limits), announces=announces), prompts(800)
    batch = await ask_provider(endpoint, items, max_concurrent=20, max_tokens=100, **limits)
    assert_right(batch, items)
    assert endpoint.refused == batch.summary.throttles == 0
    assert batch.summary.calls == len(items)
    minutes = batch.summary.elapsed_s / 60
    tokens = batch.summary.input_tokens + batch.summary.output_tokens
    used = max(len(items) / limits.get("requests_per_minute", 1e9), tokens / limits.get("tokens_per_minute", 1e9))
    # The first minute's share is sent at once, so `used` minutes of traffic take one minute less.
    assert minutes > 15
    assert minutes <= (used - 1) / 0.9 + 1


@virtual
async def test_rate_limit_headers_are_obeyed_without_configured_limits(
    ask_provider: Any, assert_right: Any, virtual_endpoint: Any
) -> None:
    settings = Settings(requests_per_minute=120, tokens_per_minute=20_000)
    endpoint, items = virtual_endpoint(settings, announces=True), prompts(600)
    batch = await ask_provider(endpoint, items, max_concurrent=20, max_tokens=100)
    assert_right(batch, items)
    assert endpoint.refused <= 0.03 * len(items)
    assert batch.summary.elapsed_s <= 600 / 120 * 60 / 0.85


@virtual
@pytest.mark.parametrize("configured", [{}, {"requests_per_minute": 200}], ids=["no limit of ours", "the whole limit"])
async def test_a_key_shared_with_another_client_causes_few_429s_and_no_failed_item(
    ask_provider: Any, assert_right: Any, virtual_endpoint: Any, configured: dict[str, int]
) -> None:
    settings = Settings(requests_per_minute=200, used_elsewhere_rpm=100)
    endpoint, items = virtual_endpoint(settings, announces=True), prompts(600)
    batch = await ask_provider(endpoint, items, max_concurrent=20, max_tokens=100, **configured)
    assert_right(batch, items)
    assert endpoint.refused <= 0.05 * len(items)
    assert batch.summary.elapsed_s <= 600 / 100 * 60 / 0.8


@pytest.mark.usefixtures("short_windows")
@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ({"requests_per_minute": 60 * 30}, {"requests_per_minute": 30}),
        ({"tokens_per_minute": 60 * 600}, {"tokens_per_minute": 600}),
        (
            {"requests_per_minute": 60 * 60, "tokens_per_minute": 60 * 600},
            {"requests_per_minute": 60, "tokens_per_minute": 600},
        ),
    ],
    ids=["requests", "tokens", "both"],
)
async def test_over_http_a_strict_server_has_no_429_in_its_ledger(
    ask: Any, assert_right: Any, statuses: Any, theirs: dict[str, int], ours: dict[str, int]
) -> None:
    items = prompts(70, letters=40)
    with Simulator(**theirs, window_s=1.0, latency_s=0.02) as simulator:
        batch = await ask(simulator, items, max_concurrent=20, max_tokens=20, **ours)
    assert_right(batch, items)
    assert statuses(simulator.ledger, 429) == batch.summary.throttles == 0
    requests, tokens = simulator.ledger.worst_window(1.0)
    assert requests <= ours.get("requests_per_minute", 1e9)
    assert tokens <= ours.get("tokens_per_minute", 1e9)
    assert batch.summary.elapsed_s > 1.0  # the limit has bound


async def test_over_http_without_configured_limits_429s_fail_no_item(ask: Any, assert_right: Any) -> None:
    items = [f"item {number}" for number in range(60)]
    with Simulator(requests_per_minute=60 * 30, window_s=1.0, used_elsewhere_rpm=60 * 5) as simulator:
        batch = await ask(simulator, items, max_concurrent=10)
    assert_right(batch, items)
    assert simulator.ledger.billed == len(items)
    assert simulator.ledger.worst_window(1.0)[0] <= 25
    assert simulator.ledger.calls <= 2 * len(items)


async def test_an_item_that_can_never_fit_fails_at_once_and_the_rest_continues(ask: Any) -> None:
    items = ["small one", "word " * 4000, "small two"]
    with Simulator(tokens_per_minute=4000) as simulator:
        batch = await ask(simulator, items, tokens_per_minute=4000, max_tokens=20)
    assert [(result["error"] or {}).get("code") for result in batch.results] == [None, "never_fits", None]
    assert simulator.ledger.calls == 2
    assert "4,000 a minute are allowed" in batch.results[1]["error"]["message"]


@virtual
async def test_a_pause_requested_from_one_call_applies_to_all_and_uses_no_attempt(
    ask_provider: Any, assert_right: Any, virtual_endpoint: Any
) -> None:
    storms = [(5.0, 35.0), (45.0, 75.0), (85.0, 88.0)]

    def fails(now: float) -> None:
        for start, end in storms:
            if start <= now < end:
                raise ThrottledError("slow down", status=429, retry_after_s=end - now)

    endpoint, items = virtual_endpoint(fails=fails), prompts(600)
    retry = {"attempts": 1, "throttles": 3, "wait_initial": 0.0}
    batch = await ask_provider(endpoint, items, max_concurrent=20, max_tokens=100, retry=retry)
    assert_right(batch, items)
    for start, end in storms:
        # Calls sent before the first 429 arrived could not know of it. After that, no call is sent.
        assert [moment for moment in endpoint.starts if start + 0.5 < moment < end] == []
    assert batch.summary.calls - len(items) == batch.summary.throttles <= 20 * len(storms)


async def test_over_http_a_429_pauses_all_calls_for_as_long_as_it_says(ask: Any, assert_right: Any) -> None:
    items = [f"item {number}" for number in range(60)]
    busy = error_reply(429, "rate_limit_exceeded").with_headers({"retry-after-ms": "400"})
    with Simulator(latency_s=0.01) as simulator:
        simulator.reply_with(busy)
        batch = await ask(simulator, items, max_concurrent=4, retry={"attempts": 1, "wait_initial": 0.0})
    assert_right(batch, items)
    entries = simulator.ledger.entries
    [refused] = [entry for entry in entries if entry.status == 429]
    assert sum(refused.at < entry.at < refused.at + 0.4 for entry in entries) <= 3
    assert simulator.ledger.calls == len(items) + 1
