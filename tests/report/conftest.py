"""A journal of two runs with faults, made once, and a way to read it."""

import asyncio
from pathlib import Path

import pytest

from kaizen_batch import BatchResult, Journal
from kaizen_batch.report.facts import Facts, read_facts
from kaizen_batch.simulator import Simulator
from tests.report.journals import NASTY, ask, make_journal

ITEMS = 400


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[BatchResult]]:
    """The journal's path, and what its two runs came to."""
    path = tmp_path_factory.mktemp("report") / "run.db"
    return path, asyncio.run(make_journal(path, ITEMS))


@pytest.fixture(scope="session")
def facts(made: tuple[Path, list[BatchResult]]) -> Facts:
    """All that the journal has to tell."""
    with Journal(made[0]) as journal:
        return read_facts(journal, 2e9)


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal of nothing but nasty texts, asked and answered."""
    path = tmp_path_factory.mktemp("hostile") / "run.db"
    with Simulator() as simulator:
        asyncio.run(ask(simulator, path, len(NASTY)))
    return path
