"""The rate-limited API: no refusal at its limit, recovery above it, and no stale output."""

from pathlib import Path

from tests.workflows.conftest import Run, rows_of


def test_rate_limited_api_is_never_refused_at_five_at_once(run: Run) -> None:
    result = run("rate-limited-api")
    assert result.exit_code == 0, result.output
    assert "at most 5 at once" in result.output
    assert "served 100, refused 0" in result.output
    assert all(row["state"] for row in rows_of("shipments_tracked.csv"))


def test_rate_limited_api_recovers_from_refusals(run: Run) -> None:
    result = run("rate-limited-api", "--max-concurrent", "6")
    assert result.exit_code == 0, result.output
    assert "100 ok, 0 failed" in result.output


def test_an_earlier_runs_output_does_not_stand_for_a_failed_one(run: Run, tmp_path: Path) -> None:
    assert run("rate-limited-api").exit_code == 0
    (tmp_path / "wrong.csv").write_text("id,body\n1,x\n", encoding="utf-8")
    result = run("rate-limited-api", "--input", "wrong.csv")
    assert result.exit_code == 1
    assert "no row succeeded; the first failed because" in result.output
    assert "missing a required argument: 'tracking_number'; given: a dict with 'id', 'body'" in result.output
    assert not Path("kaizen_batch_output/shipments_tracked.csv").exists()
    assert rows_of("shipments_failed.csv")[0]["error_code"] == "invalid_input"
