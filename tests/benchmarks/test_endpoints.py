"""The benchmark of several endpoints: how it compares, and that it runs."""

from pathlib import Path

import pytest

from benchmarks import endpoints
from benchmarks.harness import Plan, Sample


def test_rounds_are_compared_one_by_one() -> None:
    base = [Sample(1.0, cpu_s, 1.0) for cpu_s in (0.05, 0.10, 0.20)]
    twice = [Sample(1.0, cpu_s, 1.0) for cpu_s in (0.10, 0.20, 0.40)]
    assert endpoints.ratio_of(twice, base) == (2.0, 2.0, 2.0)
    assert endpoints.lines_of({"x": twice}, {"x": (2.0, 1.5, 2.5)}) == [
        f"{'x':16}{200.0:6.1f} µs of CPU, 2.00 (1.50 to 2.50)"
    ]


def test_it_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("benchmarks.tables.RESULTS", tmp_path)
    [target] = endpoints.run(Plan(rounds=1, quick=True))
    assert target.value is not None and (tmp_path / "endpoints.json").exists()
