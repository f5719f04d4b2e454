"""write_report: one private file, which appears complete or not at all."""

from pathlib import Path

import pytest

from kaizen_batch import BatchResult, JournalError
from kaizen_batch.report import write_report


def test_a_page_weighs_little_and_holds_no_key(made: tuple[Path, list[BatchResult]], tmp_path: Path) -> None:
    written = write_report(made[0], tmp_path / "report.html")
    assert written == tmp_path / "report.html"
    assert written.stat().st_size < 300_000
    assert written.stat().st_mode & 0o777 == 0o600
    assert "sk-not-to-be-seen" not in written.read_text()


def test_a_report_appears_whole_or_not_at_all(made: tuple[Path, list[BatchResult]], tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    target.write_text("an earlier one")
    with pytest.raises(JournalError, match="there is no journal at"):
        write_report(tmp_path / "missing.db", target)
    assert target.read_text() == "an earlier one"
    with pytest.raises(JournalError, match="cannot be written"):
        write_report(made[0], tmp_path / "no folder" / "report.html")
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
