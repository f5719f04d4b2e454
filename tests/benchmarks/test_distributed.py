"""The benchmark of many processes: what it evaluates, and one contestant in small, killed twice."""

from pathlib import Path

import pytest

from benchmarks import distributed
from benchmarks.distributed import CONTESTANTS, ONE, OURS_ON_RAY, Found

ROWS = 120


def test_medians_and_the_most_that_was_paid_again() -> None:
    found = [Found(1.0, 50.0, 300.0, 4, 0), Found(3.0, 70.0, 100.0, 0, 9), Found(2.0, 60.0, 200.0, 2, 3)]
    assert distributed.middle(found) == Found(2.0, 60.0, 200.0, 4, 9)


def test_a_kill_may_cost_what_was_in_flight_and_no_more() -> None:
    one = Found(1.0, 50.0, 300.0, distributed.AT_ONCE, distributed.AT_ONCE + 1)
    assert [target.reached for target in distributed.targets_of({ONE: one})] == [True, False, None, None]


def test_a_table_has_a_line_for_each_contestant() -> None:
    found = Found(1.26, 1050.4, 299.6, 4, 1200)
    line = "| one process | 1.3 s | 1,050 MB | 300 | 4 | 1,200 |"
    assert distributed.table({ONE: found})[2:] == [line]


def test_the_table_of_the_docs_is_that_of_the_figures() -> None:
    page = Path("docs/scaling.md").read_text(encoding="utf-8")
    assert "\n".join(distributed.measured_table()) in page


def test_one_process_pays_again_for_what_was_in_flight() -> None:
    found = distributed.measure(CONTESTANTS[ONE], ROWS)
    assert 0 <= found.again_worker <= distributed.AT_ONCE and 0 <= found.again_all <= distributed.AT_ONCE
    assert found.start_s > 0 and found.peak_mb > 10 and found.items_per_s > 0


def test_a_contestant_that_is_not_installed_is_left_out() -> None:
    assert distributed.is_installed(CONTESTANTS[ONE])
    assert not distributed.is_installed(CONTESTANTS[OURS_ON_RAY]._replace(needs=("no_such_library",)))


def test_a_command_that_fails_says_why() -> None:
    contestant = CONTESTANTS[ONE]._replace(words=("no_such_module",))
    with pytest.raises(SystemExit, match="No module named no_such_module"):
        distributed.measure(contestant, ROWS)
