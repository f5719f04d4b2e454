"""Fallbacks: the second endpoint serves what the first cannot, and neither sees the other's key."""

from pathlib import Path
from typing import Any

import pytest

from kaizen_batch.simulator import Reply, Simulator
from kaizen_batch.simulator.endpoint import Endpoint
from kaizen_batch.simulator.settings import error_reply

ITEMS = [f"item {number}" for number in range(60)]
REFUSAL = {"choices": [{"message": {"role": "assistant", "content": None, "refusal": "I cannot"}}]}


def second(simulator: Simulator, **more: Any) -> tuple[dict[str, Any], ...]:
    return ({"base_url": simulator.base_url, "model": "gpt-4o-mini", **more},)


@pytest.mark.parametrize(
    "reply",
    [error_reply(400, "context_length_exceeded"), error_reply(413, "too_large"), Reply(200, REFUSAL), Reply(500)],
    ids=["400", "413", "refusal", "500 until the attempts are used up"],
)
async def test_an_item_that_the_first_cannot_serve_is_answered_by_the_second(
    ask: Any, assert_right: Any, reply: Reply
) -> None:
    with Simulator() as first, Simulator() as other:
        first.reply_with(*[reply] * 5)
        retry = {"attempts": 1}
        batch = await ask(first, ITEMS, fallbacks=second(other), retry=retry, max_concurrent=5)
    assert_right(batch, ITEMS)
    answered_by = [result["answered_by"] for result in batch.results]
    assert answered_by.count("gpt-4o-mini") == batch.summary.by_fallbacks == other.ledger.billed == 5
    assert (first.ledger.calls, other.ledger.calls) == (60, 5)
    assert all(entry.model == "gpt-4o-mini" for entry in other.ledger.entries)


DEATHS: dict[str, dict[str, Any]] = {
    "out of quota": {"quota_after": 20},
    "key refused": {"api_key": "sk-someone-else"},
    "dead": {"rate_500": 1.0},
}


@pytest.mark.usefixtures("short_pauses")
@pytest.mark.parametrize("death", DEATHS.values(), ids=DEATHS)
async def test_when_the_first_endpoint_is_given_up_the_second_gets_the_rest(
    ask: Any, assert_right: Any, death: dict[str, Any]
) -> None:
    with Simulator(**death, latency_s=0.01) as first, Simulator() as other:
        batch = await ask(first, ITEMS, fallbacks=second(other), max_concurrent=5)
    assert_right(batch, ITEMS)
    assert batch.summary.stopped is None
    assert batch.summary.by_fallbacks == other.ledger.billed == 60 - first.ledger.billed
    assert first.ledger.calls - first.ledger.billed <= 5 + 5 * 5 + 8
    assert {result["answered_by"] for result in batch.results[-20:]} == {"gpt-4o-mini"}


async def test_the_run_ends_only_when_all_endpoints_are_dead(ask: Any) -> None:
    with Simulator(quota_after=10, latency_s=0.01) as first, Simulator(quota_after=20, latency_s=0.01) as other:
        batch = await ask(first, ITEMS, fallbacks=second(other), max_concurrent=5)
    assert batch.summary.ok == first.ledger.billed + other.ledger.billed == 30
    assert batch.summary.by_fallbacks == 20
    assert batch.summary.stopped.startswith("QuotaExhaustedError")
    assert batch.summary.calls == first.ledger.calls + other.ledger.calls <= 30 + 2 * 5
    assert batch.summary.not_attempted > 0


async def test_an_item_that_no_endpoint_serves_fails_alone_with_the_last_reason(ask: Any) -> None:
    with Simulator() as first, Simulator() as other:
        first.reply_with(error_reply(400, "first_reason"))
        other.reply_with(error_reply(400, "second_reason"))
        batch = await ask(first, ITEMS, fallbacks=second(other), max_concurrent=1)
    assert batch.results[0]["error"]["code"] == "second_reason"
    assert (batch.summary.ok, batch.summary.failed, batch.summary.by_fallbacks) == (59, 1, 0)


@pytest.fixture
def keys_seen(monkeypatch: pytest.MonkeyPatch) -> dict[str, set[bytes]]:
    """The Authorization headers that each simulator received, by its own key."""
    seen: dict[str, set[bytes]] = {}
    check = Endpoint._wrong_key

    def spy(endpoint: Endpoint, request: Any) -> Any:
        seen.setdefault(endpoint._settings.api_key or "", set()).add(request.authorization)
        return check(endpoint, request)

    monkeypatch.setattr(Endpoint, "_wrong_key", spy)
    return seen


async def test_each_endpoint_sees_its_own_key_and_never_the_other(
    ask: Any, assert_right: Any, keys_seen: dict[str, set[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECOND_KEY", "sk-second")
    with Simulator(api_key="sk-first", quota_after=20) as first, Simulator(api_key="sk-second") as other:
        batch = await ask(first, ITEMS, fallbacks=second(other, api_key_env="SECOND_KEY"))
    assert_right(batch, ITEMS)
    assert keys_seen == {"sk-first": {b"Bearer sk-first"}, "sk-second": {b"Bearer sk-second"}}


async def test_without_a_key_of_its_own_the_second_endpoint_gets_none(
    ask: Any, keys_seen: dict[str, set[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-environment")
    with Simulator(quota_after=20) as first, Simulator(api_key="sk-first") as other:
        batch = await ask(first, ITEMS, fallbacks=second(other))
    assert keys_seen["sk-first"] == {b"Bearer none"}
    assert batch.summary.ok == 20
    assert batch.summary.stopped.startswith("AuthenticationError")


async def test_another_model_at_the_same_endpoint_keeps_its_key(ask: Any, keys_seen: dict[str, set[bytes]]) -> None:
    with Simulator(api_key="sk-first") as simulator:
        simulator.reply_with(error_reply(400, "context_length_exceeded"))
        batch = await ask(simulator, ITEMS, fallbacks=("gpt-4o-mini",), max_concurrent=1)
    assert keys_seen == {"sk-first": {b"Bearer sk-first"}}
    assert batch.results[0]["answered_by"] == "gpt-4o-mini"
    assert batch.summary.by_fallbacks == 1


async def test_what_a_fallback_answered_is_in_the_journal_under_its_name(
    ask: Any, assert_right: Any, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"journal": tmp_path / "run.db", "max_concurrent": 5}
    with Simulator(quota_after=20) as first, Simulator() as other:
        once = await ask(first, ITEMS, fallbacks=second(other), **options)
        again = await ask(first, ITEMS, fallbacks=second(other), **options)
    assert_right(again, ITEMS)
    assert again.summary.calls == 0
    assert first.ledger.billed + other.ledger.billed == 60
    assert [result["answered_by"] for result in again.results] == [result["answered_by"] for result in once.results]
