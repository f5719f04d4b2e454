"""Agents, limits and readers in random combinations: one result per item, in order, and nothing left running."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

import looptime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaizen_batch import (
    BadRequestError,
    BatchError,
    Completion,
    NoAnswerError,
    OutputError,
    ParallelBatchStrategy,
    Price,
    ServerError,
    ThrottledError,
    Usage,
)
from kaizen_batch.limits import ConcurrencyLimiter, Reservation

SECONDS = (0, 0, 0.5, 1, 1, 1, 2, 5)  # few different ones, so that much happens in the same instant
LIMITS = {"limit": ("5", "20", "0", "junk"), "remaining": ("0", "3", "999", "-1"), "reset": ("1s", "500ms", "nan", "")}
FAILURES: tuple[Callable[[], BaseException], ...] = (
    lambda: ServerError("down"),
    lambda: ThrottledError("slow", retry_after_s=3),
    lambda: ThrottledError("slow"),
    lambda: NoAnswerError("torn"),
    lambda: BadRequestError("no"),
    lambda: ValueError("bug"),
    asyncio.CancelledError,
)
OPTIONS = st.fixed_dictionaries(
    {
        "max_concurrent": st.sampled_from([1, 2, 3, 10]),
        "timeout_s": st.sampled_from([None, 0.5, 1, 2]),
        "deadline_s": st.sampled_from([None, None, 3, 20]),
        "grace_s": st.sampled_from([0, 1, 2]),
        "hedge_after": st.sampled_from([None, 0.5, 0.9]),
        "requests_per_minute": st.sampled_from([None, None, 100]),
        "tokens_per_minute": st.sampled_from([None, None, 3_000]),
        "budget_usd": st.sampled_from([None, None, 0.0005, 0.01]),
        "on_error": st.sampled_from(["collect", "collect", "raise"]),
        "adaptive": st.booleans(),
        "window": st.sampled_from([None, 3, 20]),
    }
)


class Chaos:
    """An agent that is slow, fails, ignores cancellation, and sends varying headers."""

    endpoint, name, output_fields, price = "here", "chaos", ("item",), Price(1.0, 1.0)

    def __init__(self, chance: random.Random, shares: dict[str, float]) -> None:
        self._chance = chance
        self._shares = shares

    def _happens(self, what: str) -> bool:
        return self._chance.random() < self._shares[what]

    def prepare(self, inputs: Any) -> Any:
        return inputs

    def body(self, request: Any) -> bytes:
        return b"0123456789"

    def max_output(self, request: Any) -> int:
        return 10

    async def complete(self, request: Any) -> Completion:
        try:
            await asyncio.sleep(self._chance.choice(SECONDS))
        except asyncio.CancelledError:
            if not self._happens("deaf"):
                raise
            if self._happens("deaf"):
                raise ConnectionError("torn") from None
        if self._happens("fails"):
            raise self._chance.choice(FAILURES)()
        usage = self._chance.choice([None, Usage(3, 3), Usage(10, 10)])
        return Completion(text="", usage=usage, headers=self._headers() if self._happens("tells") else {})

    def _headers(self) -> dict[str, str]:
        kinds = ("requests", "tokens")
        return {f"x-ratelimit-{n}-{kind}": self._chance.choice(said) for n, said in LIMITS.items() for kind in kinds}

    def parse(self, request: Any, completion: Completion) -> dict[str, Any]:
        if self._happens("unreadable"):
            raise OutputError("no JSON")
        return {"item": request}


class Book:
    """Records which calls a wait queue admitted and released."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.inside: Counter[int] = Counter()
        self._reservations: list[Reservation] = []  # kept, so that no other gets their ids
        reserve, commit = ConcurrencyLimiter.reserve, ConcurrencyLimiter.commit

        def watched_reserve(slots: ConcurrencyLimiter, reservation: Reservation, now: float) -> None:
            reserve(slots, reservation, now)
            self._reservations.append(reservation)
            self.inside[id(reservation)] += 1

        def watched_commit(slots: ConcurrencyLimiter, reservation: Reservation, now: float) -> None:
            self.inside[id(reservation)] -= 1
            commit(slots, reservation, now)

        patch.setattr(ConcurrencyLimiter, "reserve", watched_reserve)
        patch.setattr(ConcurrencyLimiter, "commit", watched_commit)


async def items(number: int, chance: random.Random) -> AsyncIterator[int]:
    for item in range(number):
        if chance.random() < 0.3:
            await asyncio.sleep(chance.choice(SECONDS[:4]))
        yield item


async def carry_out(seed: int, number: int, options: dict[str, Any], end: str, at: float) -> None:
    chance = random.Random(seed)
    shares = {name: chance.choice([0, 0.1, 0.4]) for name in ("deaf", "fails", "tells", "unreadable")}
    source: Any = items(number, chance) if chance.random() < 0.5 else iter(range(number))
    run = ParallelBatchStrategy(**options).stream(Chaos(chance, shares), source)
    got: list[int] = []

    async def read() -> None:
        async for result in run:
            got.append(result["index"])
            if end == "break" and len(got) >= 4 * at:
                break
        await run.aclose()

    reader = asyncio.create_task(read())
    if end == "cancel":
        asyncio.get_running_loop().call_later(at, reader.cancel)
    if end == "aclose":
        await asyncio.sleep(at)
        await run.aclose()
    [outcome] = await asyncio.gather(reader, return_exceptions=True)
    assert isinstance(outcome, asyncio.CancelledError | BatchError | None)
    assert got == list(range(len(got)))
    summary = run.summary
    if end == "read" and outcome is None:
        assert len(got) == summary.total == summary.ok + summary.failed + summary.not_attempted
        assert len(got) == number or (summary.input_unread and summary.stopped)
    assert (run.in_flight, summary.peak_in_flight <= options["max_concurrent"]) == (0, True)
    assert asyncio.all_tasks() == {asyncio.current_task()}


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    number=st.sampled_from([0, 1, 5, 60, 100]),
    options=OPTIONS,
    end=st.sampled_from(["read", "read", "break", "cancel", "aclose"]),
    at=st.sampled_from([0, 0.5, 1, 2, 7]),
)
def test_every_admitted_call_is_released_once_and_every_item_gives_one_result(
    seed: int, number: int, options: dict[str, Any], end: str, at: float
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        book = Book(patch)
        loop = looptime.new_event_loop(start=0)
        complaints: list[dict[str, Any]] = []
        loop.set_exception_handler(lambda _, what: complaints.append(what))
        try:
            loop.run_until_complete(carry_out(seed, number, options, end, at))
        finally:
            loop.close()
    assert not any(book.inside.values())
    assert complaints == []
