"""The book of leases: no window and no budget is ever exceeded, and a book that is opened again forgets nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaizen_batch.distributed.leases import LEASE_S, Cap, Grant, LeaseBook, Need
from kaizen_batch.limits import RateLimit


def need(usd: float) -> Need:
    return Need(usd, 0.0, 0.1, is_idle=True)


LIMITS = [RateLimit("requests", 60), RateLimit("tokens", 1000)]


@given(st.lists(st.tuples(st.floats(0, 20), st.integers(1, 30), st.integers(1, 400)), max_size=60))
def test_no_window_holds_more_even_if_each_grant_is_used_as_late_as_it_may_be(
    asked: list[tuple[float, int, int]],
) -> None:
    book, now, used = LeaseBook(LIMITS, None), 0.0, list[tuple[float, float, Grant]]()
    for wait_s, requests, tokens in asked:
        now += wait_s
        grant = book.lease(Grant(requests, tokens), 1, now)
        used.append((now, now + LEASE_S, grant))
    # The worst case: all grants that can be used in a window of 60 s are used in it.
    for start, _, _ in used:
        inside = [grant for first, last, grant in used if last >= start and first <= start + 60.0]
        earliest = [grant for first, last, grant in used if first < start <= last]
        assert sum(grant.requests for grant in inside) - sum(grant.requests for grant in earliest) <= 60
        assert sum(grant.tokens for grant in inside) - sum(grant.tokens for grant in earliest) <= 1000


def test_a_call_that_does_not_fit_gets_nothing_and_wastes_nothing() -> None:
    book = LeaseBook(LIMITS, None)
    assert book.lease(Grant(10, 900), 900, 0.0) == Grant(10, 900)
    assert book.lease(Grant(10, 300), 300, 1.0) == Grant()
    assert book.lease(Grant(10, 300), 50, 1.0) == Grant(10, 100)
    assert book.lease(Grant(1, 0), 0, 80.0) == Grant(1, 0)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 0.3), st.booleans()), max_size=60))
def test_the_caps_never_add_up_to_more_than_the_budget(steps: list[tuple[str, float, bool]]) -> None:
    saved: list[str] = []
    book = LeaseBook([], 1.0, saved.append)
    committed = dict.fromkeys("abc", 0.0)
    caps = dict.fromkeys("abc", 0.0)
    for shard, needed, dies in steps:
        cap = book.cap(shard, Need(needed, committed[shard], 0.05, is_idle=True))
        caps[shard] = cap.usd
        assert cap.usd >= committed[shard]
        if cap.usd >= committed[shard] + needed:
            committed[shard] += needed  # spent to the last
        if dies:
            book = LeaseBook([], 1.0, saved.append, saved[-1])
        assert sum(caps.values()) <= 1.0 + 1e-9


def test_the_last_one_that_waits_hears_that_nothing_is_left() -> None:
    book = LeaseBook([], 1.0)
    assert book.cap("a", need(0.6)) == Cap(0.6)
    assert book.cap("b", need(0.6)) == Cap(0.0, is_final=False)  # "a" may give some back
    assert book.cap("a", Need(0.6, 0.55, 0.1, is_idle=False)) == Cap(0.55, is_final=False)  # a call is in flight
    assert book.cap("a", Need(0.6, 0.55, 0.1, is_idle=True)) == Cap(0.55, is_final=True)
    book.end("a", 0.2)
    assert book.cap("b", need(0.6)) == Cap(pytest.approx(0.6))


def test_a_book_opened_again_knows_all_grants() -> None:
    saved: list[str] = []
    book = LeaseBook(LIMITS, 1.0, saved.append)
    book.lease(Grant(60, 500), 1, 100.0)
    book.cap("a", need(0.5))
    again = LeaseBook(LIMITS, 1.0, saved.append, saved[-1])
    assert again.lease(Grant(1, 1), 1, 130.0) == Grant()
    assert again.cap("b", need(0.6)).usd == 0.0 and again.committed_usd == 0.5
    assert again.lease(Grant(1, 1), 1, 170.0) == Grant(1, 1)


def test_without_a_budget_a_cap_is_infinite() -> None:
    assert LeaseBook([], None).cap("a", need(1.0)).usd == float("inf")
