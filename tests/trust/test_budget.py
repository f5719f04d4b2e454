"""Budget: the total of the ledger never exceeds the cap, whatever fails and however often the batch is run.

The simulator bills what a call really used. So its ledger is the truth, and our own sum is only a claim.
"""

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from kaizen_batch import ConfigError, InputField, OutputField, Signature
from kaizen_batch.simulator import Simulator

PRICE = {"input": 2.5, "output": 10.0}
BILLS = {"price_input": 2.5, "price_output": 10.0, "latency_s": 0.005, "torn_before_billing": False}
ITEMS = [f"question number {number}" for number in range(120)]
EACH_USD = 1e-4  # roughly what one of them costs

FAULTS: dict[str, dict[str, float]] = {
    "nothing goes wrong": {},
    "errors of the server": {"rate_500": 0.2},
    "torn after billing": {"rate_torn": 0.2},
    "usage missing": {"rate_no_usage": 0.2},
    "answers that are no JSON": {"rate_bad_json": 0.1, "rate_not_json": 0.1, "rate_truncated": 0.1},
    "all at once": dict.fromkeys(("rate_500", "rate_torn", "rate_no_usage", "rate_bad_json", "rate_429"), 0.05),
}


class EvenOnly(Signature):
    """Half of the answers do not fit; they are billed and re-asked."""

    question: str = InputField()
    number: str = InputField()
    code: str = OutputField(pattern=r".*[02468]$")


@pytest.mark.parametrize("faults", FAULTS.values(), ids=FAULTS)
async def test_the_ledger_never_exceeds_the_cap_however_often_the_batch_is_run(
    ask: Any, exact_usd: Any, faults: dict[str, float], tmp_path: Path
) -> None:
    cap = 0.5 * len(ITEMS) * EACH_USD
    with Simulator(**BILLS, **faults) as simulator:
        stops = []
        for _ in range(3):
            journal = tmp_path / "run.db"
            batch = await ask(
                simulator, ITEMS, journal=journal, budget_usd=cap, price=PRICE, max_concurrent=30, max_tokens=16
            )
            stops.append(batch.summary.stopped)
            assert exact_usd(simulator.ledger) <= Fraction(cap)
    assert all(stop.startswith("BudgetExhaustedError") for stop in stops)
    assert exact_usd(simulator.ledger) > Fraction(cap) / 5  # and it is no empty promise


async def test_every_re_ask_counts_against_the_budget(ask: Any, exact_usd: Any, statuses: Any) -> None:
    items = [{"question": "which code?", "number": f"code: {number}"} for number in range(100)]
    with Simulator(**BILLS) as simulator:
        options = {"max_reasks": 2, "price": PRICE, "max_concurrent": 30, "max_tokens": 40}
        whole = await ask(simulator, items[:20], EvenOnly, **options)
        assert (whole.summary.ok, whole.summary.failures) == (10, {"invalid_output": 10})
        assert simulator.ledger.billed == 10 + 10 * 3
        simulator.ledger.reset()
        cap = 0.01
        batch = await ask(simulator, items, EvenOnly, budget_usd=cap, **options)
    assert batch.summary.not_attempted > 0
    assert simulator.ledger.billed > batch.summary.ok + len(batch.failed) - batch.summary.not_attempted
    assert exact_usd(simulator.ledger) <= Fraction(cap)


async def test_without_a_journal_the_cap_holds_for_each_run(ask: Any, exact_usd: Any) -> None:
    with Simulator(**BILLS, **FAULTS["all at once"]) as simulator:
        batch = await ask(simulator, ITEMS, budget_usd=0.005, price=PRICE, max_concurrent=30, max_tokens=16)
    assert exact_usd(simulator.ledger) <= Fraction(0.005)
    assert batch.summary.ok > 0
    assert batch.summary.not_attempted > 0


async def test_a_larger_budget_finishes_what_a_smaller_one_began(
    ask: Any, exact_usd: Any, assert_right: Any, tmp_path: Path
) -> None:
    options = {"journal": tmp_path / "run.db", "price": PRICE, "max_concurrent": 30, "max_tokens": 16}
    with Simulator(**BILLS) as simulator:
        first = await ask(simulator, ITEMS, budget_usd=0.005, **options)
        assert 0 < first.summary.ok < len(ITEMS)
        assert "journal=" in first.summary.stopped
        assert first.summary.cost_usd == pytest.approx(float(exact_usd(simulator.ledger)))
        second = await ask(simulator, ITEMS, budget_usd=1.0, **options)
    assert_right(second, ITEMS)
    assert second.summary.stopped is None
    assert second.summary.from_journal == first.summary.ok
    assert set(simulator.ledger.billed_by_prompt().values()) == {1}
    total = first.summary.cost_usd + second.summary.cost_usd
    assert total == pytest.approx(float(exact_usd(simulator.ledger)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "nobody-knows-me", "max_tokens": 16}, "price="),
        ({"price": PRICE, "max_tokens": None}, "max_tokens"),
        ({"price": PRICE, "max_tokens": 16, "fallbacks": ("nobody-knows-me",)}, "nobody-knows-me"),
    ],
    ids=["no price", "no bound of the answer", "a fallback without a price"],
)
async def test_a_budget_that_cannot_be_enforced_fails_before_the_first_call(
    ask: Any, options: dict[str, Any], message: str
) -> None:
    with Simulator() as simulator:
        with pytest.raises(ConfigError, match=message):
            await ask(simulator, ITEMS, budget_usd=1.0, **options)
        assert simulator.ledger.calls == 0


async def test_an_item_larger_than_the_whole_budget_fails_alone(ask: Any) -> None:
    items = ["small one", "x" * 20_000, "small two"]
    with Simulator(**BILLS) as simulator:
        batch = await ask(simulator, items, budget_usd=0.02, price=PRICE, max_tokens=16)
    assert [(result["error"] or {}).get("code") for result in batch.results] == [None, "never_fits", None]
    assert simulator.ledger.calls == 2
    assert batch.summary.stopped is None


async def test_hedges_and_calls_that_hang_count_against_the_budget(ask: Any, exact_usd: Any, tmp_path: Path) -> None:
    options = {"journal": tmp_path / "run.db", "price": PRICE, "max_concurrent": 5, "max_tokens": 10}
    with Simulator(**BILLS, latency_sigma=1.0, rate_hang=0.02) as simulator:
        hedges = 0
        for cap in (0.006, 0.012):
            batch = await ask(simulator, ITEMS, budget_usd=cap, hedge_after=0.7, timeout_s=0.5, **options)
            assert exact_usd(simulator.ledger) <= Fraction(cap)
            hedges += batch.summary.hedges
    assert hedges > 0
    too_many = sum(times - 1 for times in simulator.ledger.billed_by_prompt().values())
    assert batch.summary.maybe_paid_twice >= too_many


async def test_a_fallback_uses_the_same_budget(ask: Any, exact_usd: Any) -> None:
    with Simulator(**BILLS, rate_500=0.5) as first, Simulator(**BILLS) as second:
        options = {"retry": {"attempts": 1}, "price": PRICE, "max_concurrent": 30, "max_tokens": 16}
        fallback = {"base_url": second.base_url, "price": PRICE}
        batch = await ask(first, ITEMS, budget_usd=0.005, fallbacks=(fallback,), **options)
    assert exact_usd(first.ledger, second.ledger) <= Fraction(0.005)
    assert second.ledger.billed > 0
    assert batch.summary.not_attempted > 0
    assert batch.summary.stopped.startswith("BudgetExhaustedError")
