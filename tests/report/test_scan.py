"""One pass over all requests."""

import tracemalloc
from collections import Counter
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as some

from kaizen_batch import ItemError
from kaizen_batch.journal import Outline
from kaizen_batch.report.scan import ANSWERS, EXAMPLES, SLOWEST, Scan


def key(item: int) -> bytes:
    return item.to_bytes(4, "big")


def done(item: int, latency_s: float) -> Outline:
    return Outline(key(item), "done", item, latency_s, None)


def failed(item: int, code: str) -> Outline:
    return Outline(key(item), "failed", item, None, ItemError("ServerError", "it failed", code, retryable=True))


@given(some.lists(some.floats(1e-6, 1e3), max_size=200))
def test_the_slowest_are_the_slowest(latencies: list[float]) -> None:
    scan = Scan(done(item, latency_s) for item, latency_s in enumerate(latencies))
    order = sorted(range(len(latencies)), key=lambda item: (-latencies[item], item))
    assert scan.slowest == [key(item) for item in order[:SLOWEST]]
    assert scan.latency.count == scan.answered == len(latencies)


@given(some.integers(0, 500))
def test_the_sample_is_in_order_without_doubles_and_the_same_each_time(number: int) -> None:
    sample = Scan(done(item, 1.0) for item in range(number)).sample
    assert len(sample) == min(number, ANSWERS)
    assert sample == sorted(set(sample))
    assert sample == Scan(done(item, 1.0) for item in range(number)).sample


def test_the_sample_is_drawn_from_everywhere() -> None:
    scan = Scan([])
    drawn: Counter[int] = Counter()
    for _ in range(600):  # one generator goes on, so these are 600 different draws
        scan._sample._added = 0
        scan._sample._kept.clear()
        for item in range(60):
            scan._done(done(item, 1.0))
        drawn.update(int.from_bytes(each, "big") // 20 for each in scan.sample)
    assert all(abs(count / (600 * ANSWERS) - 1 / 3) < 0.05 for count in drawn.values())


def test_failures_are_counted_by_kind_with_their_first_examples() -> None:
    outlines = [failed(item, "timeout" if item % 3 else "length") for item in range(30)]
    outlines += [Outline(key(99), "in_flight", 99, None, None), Outline(key(50), "unknown", 50, None, None)]
    kinds = Scan(outlines).kinds
    assert {code: kind.requests for code, kind in kinds.items()} == {"length": 10, "timeout": 20, "killed": 1}
    assert kinds["timeout"].examples == [key(1), key(2), key(4)]
    assert len(kinds["length"].examples) == EXAMPLES


def test_codes_without_end_become_one_kind() -> None:
    kinds = Scan(failed(item, f"code {item}") for item in range(200)).kinds
    assert len(kinds) == 51
    assert kinds["other"].requests == 150


def test_thirty_thousand_requests_take_no_more_memory_than_a_thousand() -> None:
    def outlines(number: int) -> Iterator[Outline]:
        for item in range(number):
            yield done(item, 0.001 * (1 + item % 977)) if item % 7 else failed(item, f"code {item % 5}")

    def peak(number: int) -> int:
        tracemalloc.start()
        Scan(outlines(number))
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    peak(1000)
    assert peak(30_000) < 1.5 * peak(1000) + 10_000


def test_only_the_rows_of_the_last_output_are_shown_each_as_often_as_it_is_there() -> None:
    outlines = [Outline(bytes([n]), "done", n, 1.0 + n, None) for n in range(10)]
    scan = Scan(outlines, {bytes([2]): 3, bytes([5]): 1, b"elsewhere": 7})
    assert scan.values == [bytes([2])] * 3 + [bytes([5])]
    assert scan.sample == scan.slowest[::-1] == [bytes([2]), bytes([5])]
    assert scan.answered == 4 and scan.latency.count == 10
