"""The benchmark of rate limits: what it evaluates, and a few of its cases, scaled, against its own endpoint."""

from pathlib import Path

import pytest

from benchmarks import limits
from benchmarks.harness import Plan, endpoint
from benchmarks.limit_cases import CASES, Case, Enforced
from benchmarks.limited_endpoint import go_duration
from benchmarks.rate_windows import Sliding
from kaizen_batch.limits.rate_limit_headers import duration_s

MINUTE = Case("x", (Enforced(Sliding, 10),), options={"requests_per_minute": 10}, seconds=120.0)


@pytest.mark.parametrize("seconds", [0.0, 0.0121, 1.5, 59.9999, 60.0, 360.0, 3661.25, 86_400.0])
def test_durations_are_those_of_go(seconds: float) -> None:
    assert duration_s(go_duration(seconds)) == pytest.approx(seconds, abs=0.0011)
    assert go_duration(360.0) == "6m0s"


def test_shares_are_of_the_whole_time_and_of_the_least_minute() -> None:
    seen = {"admitted": [[100.0 + n, 50] for n in range(10)] + [[165.0, 50]] * 5, "refused": [101.5]}
    found = limits.evaluate(MINUTE, seen, 1.0)
    assert (found.calls, found.refused, found.used, found.least, found.most) == (15, 1, 0.75, 0.5, 11)
    assert found.share_refused == 1 / 16
    reached = {target.what: target.reached for target in limits.targets_of(MINUTE, found)}
    assert reached == {"x: of the limit": False, "x: refused": False, "x: most in a minute": False}


def test_a_window_that_slides_holds_what_is_within_its_length() -> None:
    assert limits.worst([(0.0, 1), (0.5, 2), (1.0, 1)], 1.0) == 3
    assert limits.worst([], 1.0) == 0


def test_a_table_has_a_column_for_each_contestant() -> None:
    found = limits.Found(15, 1, 0.75, 0.5, 11)
    assert limits.table({"ours": {0: found, 8: found}, "LangChain": {0: found}}) == [
        "| server and settings | ours | LangChain |",
        "|---|---:|---:|",
        f"| {CASES[0].label} | 75% / 1 | 75% / 1 |",
        f"| {CASES[8].label} | 75% / 1 | - |",
    ]


def test_the_table_of_the_docs_is_that_of_the_figures() -> None:
    page = Path("docs/limits.md").read_text(encoding="utf-8")
    assert "\n".join(limits.measured_table()) in page


def test_scaled_cases_run_over_http(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("benchmarks.tables.RESULTS", tmp_path)
    monkeypatch.setattr(limits, "QUICK", ("any 60 s, RPM set", "killed and run again, RPM set", "Anthropic headers"))
    monkeypatch.setattr(limits, "QUICK_SCALE", 60.0)
    targets = limits.run(Plan(quick=True))
    assert len(targets) == 8
    for target in targets:  # how fast this machine is decides only how much of the limit is used
        assert target.reached or "of the limit" in target.what, target
    assert (tmp_path / "limits-quick.json").exists()


def test_a_contestant_that_is_not_installed_has_no_column() -> None:
    with endpoint("benchmarks.limited_endpoint", scale=60.0) as url:
        assert limits.measure(url, "peers.absent:limited", [0], 60.0) == {}
