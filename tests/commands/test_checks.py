"""The checks of doctor that need no network: the key and the disk."""

from pathlib import Path

import pytest

from kaizen_batch.commands import checks


def test_a_disk_that_is_slow_full_or_missing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert checks.check_disk(folder / "none" / "run.db").state == "fail"
    monkeypatch.setattr(checks, "_commit_s", lambda folder: 0.2)
    slow = checks.check_disk(folder / "run.db")
    assert (slow.state, slow.fix) == ("warn", "choose a journal on a local disk; network drives slow a run down")
    monkeypatch.setattr(checks, "_LEAST_FREE", 1 << 62)
    assert checks.check_disk(folder / "run.db").fix == "free some space, or choose a journal elsewhere"
