"""Resume: the journal answers exactly the requests that were answered before; only missing ones are paid."""

from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import AfterValidator, Field

from kaizen_batch import Completion, InputField, Journal, OutputField, Provider, Signature, Usage
from kaizen_batch.simulator import Reply, Simulator

ITEMS = [f"item {number}" for number in range(20)]


def code_signature(*, kind: Any = int, instructions: str = "Give the code.", **more: Any) -> type[Signature]:
    """A signature that is always named Code, with varying instructions."""
    types = {"question": str, "note": str, "code": kind, **dict.fromkeys(more, str)}
    fields = {"question": InputField(), "note": OutputField(), "code": OutputField(), **more}
    return type("Code", (Signature,), {"__annotations__": types, "instructions": instructions, **fields})


def even(code: int) -> int:
    assert code % 2 == 0
    return code


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "run.db"


async def test_a_second_run_is_answered_from_the_journal_without_a_single_call(
    ask: Any, assert_right: Any, journal: Path
) -> None:
    with Simulator() as simulator:
        first = await ask(simulator, ITEMS, journal=journal)
        second = await ask(simulator, ITEMS, journal=journal)
    assert_right(second, ITEMS)
    assert simulator.ledger.calls == first.summary.calls == len(ITEMS)
    assert not any(result["from_journal"] for result in first.results)
    assert all(result["from_journal"] for result in second.results)
    assert (second.summary.calls, second.summary.from_journal) == (0, len(ITEMS))
    assert all(result["attempts"] == 0 and result["usage"] for result in second.results)


CHANGES = [
    {"system_prompt": "Be brief."},
    {"temperature": 0.2},
    {"temperature": None},
    {"model": "gpt-4o-mini"},
]


@pytest.mark.parametrize("change", CHANGES, ids=str)
async def test_a_changed_option_makes_every_request_a_new_one(
    ask: Any, assert_right: Any, journal: Path, change: dict[str, Any]
) -> None:
    with Simulator() as simulator:
        await ask(simulator, ITEMS, journal=journal)
        changed = await ask(simulator, ITEMS, journal=journal, **change)
        assert (changed.summary.calls, changed.summary.from_journal) == (len(ITEMS), 0)
        back = await ask(simulator, ITEMS, journal=journal)
        assert (back.summary.calls, back.summary.from_journal) == (0, len(ITEMS))
    assert_right(back, ITEMS)
    assert set(simulator.ledger.billed_by_prompt().values()) == {2}


async def test_options_that_do_not_change_the_request_do_not_change_its_key(ask: Any, journal: Path) -> None:
    with Simulator() as simulator:
        await ask(simulator, ITEMS, journal=journal)
        same = await ask(
            simulator, reversed(ITEMS), journal=journal, api_key="sk-rotated", max_concurrent=3, timeout_s=5.0
        )
    assert (same.summary.calls, same.summary.from_journal) == (0, len(ITEMS))


async def test_another_endpoint_gets_new_calls(ask: Any, journal: Path) -> None:
    with Simulator() as one, Simulator() as other:
        await ask(one, ITEMS, journal=journal)
        batch = await ask(other, ITEMS, journal=journal)
    assert (one.ledger.billed, other.ledger.billed, batch.summary.from_journal) == (20, 20, 0)


OTHER_SIGNATURES = {
    "another output": {"remark": OutputField()},
    "another type": {"kind": float},
    "another instruction": {"instructions": "Give the very code."},
    "another limit": {"kind": Annotated[int, Field(ge=1)]},
}


@pytest.mark.parametrize("change", OTHER_SIGNATURES.values(), ids=OTHER_SIGNATURES)
async def test_a_changed_signature_gets_new_calls(ask: Any, journal: Path, change: dict[str, Any]) -> None:
    with Simulator() as simulator:
        await ask(simulator, ITEMS, code_signature(), journal=journal)
        same = await ask(simulator, ITEMS, code_signature(), journal=journal)
        other = await ask(simulator, ITEMS, code_signature(**change), journal=journal)
    assert (same.summary.calls, other.summary.calls, other.summary.ok) == (0, len(ITEMS), len(ITEMS))
    assert simulator.ledger.billed == 2 * len(ITEMS)


async def test_items_that_failed_run_again_and_those_that_were_answered_do_not(
    ask: Any, assert_right: Any, journal: Path
) -> None:
    with Simulator() as simulator:
        simulator.reply_with(*[Reply(400, {"error": {"message": "no", "code": "bad"}})] * 7)
        first = await ask(simulator, ITEMS, journal=journal)
        assert (first.summary.ok, first.summary.failures) == (13, {"bad": 7})
        assert Journal(journal).count()["failed"] == 7
        second = await ask(simulator, ITEMS, journal=journal)
    assert_right(second, ITEMS)
    assert (second.summary.calls, second.summary.from_journal) == (7, 13)
    assert set(simulator.ledger.billed_by_prompt().values()) == {1}


async def test_a_connection_broken_after_billing_is_retried_and_counted_as_maybe_paid_twice(
    ask: Any, assert_right: Any, journal: Path
) -> None:
    price = {"input": 1.0, "output": 1.0}
    options: dict[str, Any] = {"journal": journal, "retry": {"attempts": 1}, "price": price}
    with Simulator(rate_torn=0.3, torn_before_billing=False) as simulator:
        first = await ask(simulator, ITEMS, **options)
    lost = first.summary.unanswered
    assert lost == sum(entry.status == 0 for entry in simulator.ledger.entries) > 0
    assert Journal(journal).count()["unknown"] == lost == first.summary.failed
    assert first.summary.maybe_paid_twice == 0  # paid once at most, so far
    with Simulator(port=simulator._port) as again:
        second = await ask(again, ITEMS, **options)
    assert_right(second, ITEMS)
    assert (second.summary.calls, second.summary.maybe_paid_twice) == (lost, lost)
    assert second.summary.maybe_paid_twice_usd > 0
    assert again.ledger.billed_by_prompt().keys() <= simulator.ledger.billed_by_prompt().keys()


async def test_the_bound_on_double_billing_holds_with_retries_in_the_same_run(
    ask: Any, assert_right: Any, journal: Path
) -> None:
    with Simulator(rate_torn=0.1, rate_bad_json=0.1, rate_truncated=0.1, torn_before_billing=False) as simulator:
        batch = await ask(simulator, ITEMS, journal=journal, retry={"attempts": 20, "wait_initial": 0.0})
    assert_right(batch, ITEMS)
    too_many = sum(times - 1 for times in simulator.ledger.billed_by_prompt().values())
    assert batch.summary.maybe_paid_twice == batch.summary.unanswered == too_many > 0


async def test_a_stricter_signature_repeats_only_what_no_longer_fits(ask: Any, journal: Path) -> None:
    stricter = code_signature(kind=Annotated[int, AfterValidator(even)])  # with the very same schema
    with Simulator() as simulator:
        before = await ask(simulator, ITEMS, code_signature(), journal=journal)
        odd = sum(result["code"] % 2 for result in before.results)
        after = await ask(simulator, ITEMS, stricter, journal=journal, max_reasks=0)
    assert 0 < odd < len(ITEMS)
    assert (after.summary.from_journal, after.summary.calls) == (len(ITEMS) - odd, odd)
    assert after.summary.failures == {"invalid_output": odd}  # the simulator says the same again
    assert simulator.ledger.billed == len(ITEMS) + odd


class CutOff(Provider):
    """Every second answer is cut off at max_tokens; the others end by themselves."""

    async def complete(self, request: Any) -> Completion:
        number = int(request.prompt.split()[-1])
        if number % 2:
            return Completion(text="short", usage=Usage(3, 2))
        limit = request.max_tokens or 150
        return Completion(text="x" * limit, usage=Usage(3, limit), finish_reason="length")


async def test_only_an_explicitly_higher_limit_asks_again_and_only_what_was_cut_off(
    ask_provider: Any, journal: Path, caplog: Any
) -> None:
    items = [f"item {number}" for number in range(10)]
    await ask_provider(CutOff(), items, journal=journal, max_tokens=100)
    same: dict[str, Any]
    for same in ({}, {"max_tokens": 100}, {"max_tokens": 50}):  # by default it is 200
        assert (await ask_provider(CutOff(), items, journal=journal, **same)).summary.calls == 0
    assert "cut off" not in caplog.text
    longer = await ask_provider(CutOff(), items, journal=journal, max_tokens=101)
    assert longer.summary.calls == 5
    assert "up to 5 answers in the journal were cut off by a lower max_tokens than 101" in caplog.text
    assert (await ask_provider(CutOff(), items, journal=journal, max_tokens=101)).summary.calls == 0
    assert (await ask_provider(CutOff(), items, journal=journal, max_tokens=None)).summary.calls == 0
