"""Pairs of two checkouts: here this one against itself."""

import pytest
from click.testing import CliRunner

from benchmarks import pairs
from benchmarks.harness import ROOT


def test_the_interval_holds_the_median_of_the_pairs() -> None:
    middle, low, high = pairs.interval([0.9, 1.0, 1.1, 1.0, 1.2, 0.8, 1.0])
    assert 0.8 <= low <= middle == 1.0 <= high <= 1.2


def test_equal_pairs_leave_no_doubt() -> None:
    assert pairs.interval([1.5] * 9) == (1.5, 1.5, 1.5)


@pytest.mark.parametrize("name", ["function", "wire"])
def test_both_checkouts_run_the_arm(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    where, _, latency_s = pairs.ARMS[name]
    monkeypatch.setitem(pairs.ARMS, name, (where, 100, latency_s))
    printed = CliRunner().invoke(pairs.main, ["--base", str(ROOT), "--pairs", "1", "--only", name])
    assert printed.exit_code == 0, printed.output
    arm, theirs_us, ours_us, ratio, *_ = printed.output.splitlines()[1].split()
    assert arm == name
    assert float(ratio) == pytest.approx(float(ours_us) / float(theirs_us), rel=0.01)


def test_an_unknown_arm_is_named() -> None:
    printed = CliRunner().invoke(pairs.main, ["--base", str(ROOT), "--only", "wires"])
    assert printed.exit_code == 2 and "no arm 'wires': the arms are function, model" in printed.output
