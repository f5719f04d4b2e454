"""The harnesses of `python -m tests.trust`, a few times each; they notice what they are there to notice."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from kaizen_batch import Completion
from tests.docs.pages import DOCS
from tests.trust import harnesses
from tests.trust.__main__ import HARNESSES, HEAD, TIMES, row
from tests.trust.slow_provider import Slow


def test_the_promises_hold_a_few_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harnesses, "_ROWS", 50)
    assert harnesses.cancellations(4, tmp_path) == []
    assert harnesses.disk_faults(1, tmp_path) == []
    assert harnesses.signals(1, tmp_path) == []


def test_every_harness_has_its_number() -> None:
    assert HARNESSES.keys() == TIMES.keys()


def test_the_page_on_security_shows_the_table_that_the_script_prints() -> None:
    table = "\n".join([*HEAD, *(row(name, times, 0) for name, times in TIMES.items())])
    assert f"\n\n{table}\n\n" in (DOCS / "security.md").read_text(encoding="utf-8")


def test_a_task_that_is_left_running_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = []

    class Leaves(Slow):
        async def complete(self, request: Any) -> Completion:
            kept.append(asyncio.create_task(asyncio.sleep(60)))
            return await super().complete(request)

    monkeypatch.setattr(harnesses, "Slow", Leaves)
    assert "tasks are left" in " ".join(harnesses.cancellations(2, tmp_path))
