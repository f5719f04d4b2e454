"""The figures that the benchmarks print are the figures that were measured."""

import pytest

from benchmarks.harness import Run, Sample
from benchmarks.tables import Target, median, ratio, table

SAMPLES = {
    "ours": [Sample(100.0, 0.3, 50.0), Sample(300.0, 0.1, 70.0), Sample(200.0, 0.2, 60.0)],
    "theirs": [Sample(50.0, 1.0, 80.0), Sample(100.0, 1.0, 80.0), Sample(50.0, 1.0, 80.0)],
    "absent": [],
}


@pytest.mark.parametrize(("figure", "expected"), [("items_per_s", 200.0), ("cpu_s", 0.2), ("peak_mb", 60.0)])
def test_the_median_of_each_figure(figure: str, expected: float) -> None:
    assert median(SAMPLES["ours"], figure) == expected


def test_a_ratio_is_the_median_of_those_within_the_rounds() -> None:
    assert ratio(SAMPLES, "ours", "theirs") == 3.0  # of 2, 3 and 4


@pytest.mark.parametrize(("label", "base"), [("absent", "ours"), ("ours", "absent")])
def test_there_is_no_ratio_without_samples(label: str, base: str) -> None:
    assert ratio(SAMPLES, label, base) is None


def test_a_row_has_the_median_the_spread_the_ratio_cpu_and_memory() -> None:
    _, ours, theirs, _ = table(SAMPLES, base="theirs")
    assert ours.split() == ["ours", "200", "(100..300)", "3.00", "0.200", "60"]
    assert theirs.split() == ["theirs", "50", "(50..100)", "1.00", "1.000", "80"]


def test_a_peer_that_is_not_installed_says_so_and_harms_no_other_row() -> None:
    rows = table(SAMPLES, base="absent")
    assert rows[3].split() == ["absent", "not", "installed"]
    assert rows[1].split() == ["ours", "200", "(100..300)", "-", "0.200", "60"]


def test_each_row_may_have_a_base_of_its_own() -> None:
    _, ours, theirs, _ = table(SAMPLES, base={"ours": "theirs", "theirs": "theirs", "absent": "ours"})
    assert (ours.split()[3], theirs.split()[3]) == ("3.00", "1.00")


@pytest.mark.parametrize(
    ("value", "wanted", "at_most", "reached"),
    [
        (5.0, 5.0, False, True),
        (4.9, 5.0, False, False),
        (5.0, 5.0, True, True),
        (5.1, 5.0, True, False),
        (None, 5.0, False, None),
    ],
)
def test_a_target_is_reached_missed_or_not_measured(
    value: float | None, wanted: float, at_most: bool, reached: bool | None
) -> None:
    assert Target("speed", value, wanted, at_most).reached is reached


def test_a_target_reads_as_a_line() -> None:
    assert str(Target("of bare", 0.956, 0.93, form=".1%")) == "reached      of bare: 95.6% (wanted: >= 93.0%)"
    assert str(Target("MB", 12.0, 10, at_most=True)) == "missed       MB: 12 (wanted: <= 10)"
    assert str(Target("times SDK", None, 5.0, form=".1f")) == "not measured times SDK: - (wanted: >= 5.0)"


def test_processes_that_share_the_items_are_done_when_the_last_is() -> None:
    taken = Sample.of([Run(50, 1.0, 0.2, 40.0), Run(50, 2.0, 0.3, 60.0)])
    assert taken == Sample(items_per_s=50.0, cpu_s=5.0, peak_mb=60.0)
