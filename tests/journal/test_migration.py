"""Journals that the release before wrote, in format 1, open, migrate and resume without a call."""

import asyncio
import importlib.util
import shutil
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from kaizen_batch import BatchConfig, Completion, ParallelBatchStrategy, Provider, RetryPolicy
from kaizen_batch.agents import create_agent
from kaizen_batch.journal import Journal, Totals, schema

DATA = Path(__file__).resolve().parent / "data"
ITEMS = [f"item {number}" for number in range(6)]
ARGUMENTS = [
    {"text": "a", "weight": 1},
    {"text": "a", "weight": 1.0},
    {"text": "ü 😀", "weight": [1e300, {"b": 1, "a": None}]},
    {"text": "z", "weight": {"10": 1, "9": True}},
]
URL = "http://127.0.0.1:18765/v1"  # nobody listens there any more


def _asked_by() -> Any:
    spec = importlib.util.spec_from_file_location("format_1", DATA / "format_1.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


ASKED_BY = _asked_by()


class Silent(Provider):
    """Stands for an endpoint of then; it must not be asked."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self.calls = 0

    @property
    def endpoint(self) -> str:
        return self._endpoint

    async def complete(self, request: Any) -> Completion:
        self.calls += 1
        return Completion(text="asked again")


@pytest.fixture
def old(tmp_path: Path) -> Callable[[str], Path]:
    """One of the files, with its -wal if it has one, as that release left it."""

    def unpack(name: str) -> Path:
        with zipfile.ZipFile(DATA / "format_1.zip") as files:
            for member in files.namelist():
                if member.split(".")[0] == name:
                    files.extract(member, tmp_path)
        return tmp_path / f"{name}.db"

    return unpack


async def resume(path: Path, items: list[Any], signature: Any = None, provider: Any = None, **options: Any) -> Any:
    given = {"journal": path, "api_key": "sk-none", "retry": RetryPolicy(attempts=1), "max_concurrent": 3, **options}
    config = BatchConfig(**given)
    return await ParallelBatchStrategy.from_config(config).run_batch(create_agent(config, signature, provider), items)


OPENAI: dict[str, Any] = {"base_url": URL, "price": {"input": 1.0, "output": 2.0}}
CASES: dict[str, tuple[list[Any], Any, dict[str, Any]]] = {
    "openai": ([*ITEMS, ITEMS[0], "漢字 😀 é \n\t\x01 \x7f"], None, OPENAI),
    "schema": (ITEMS, ASKED_BY.Ticket, {**OPENAI, "system_prompt": "Be brief."}),
    "reasoning": (ITEMS, None, {**OPENAI, "model": "o3-mini"}),
    "learned": (ITEMS, None, {**OPENAI, "model": "strict-model"}),
    "mock": (ITEMS, None, {"llm_provider": "mock"}),
    "mock_schema": (ITEMS, ASKED_BY.Brief, {"llm_provider": "mock"}),
    "own_body": (ITEMS, None, {"provider": ASKED_BY.TopK(7)}),
    "cut": (ITEMS, None, {"provider": Silent("format-1:cut")}),
    "fallbacks": (ITEMS, None, {"provider": Silent("format-1:down")}),
}


@pytest.mark.parametrize("name", CASES)
async def test_it_resumes_without_a_call(old: Callable[[str], Path], name: str) -> None:
    items, signature, options = CASES[name]
    path = old(name)
    before = Journal(path).totals()
    batch = await resume(path, items, signature, **options)
    assert [result["error"] for result in batch.results if result["error"]] == []
    assert (batch.summary.calls, batch.summary.from_journal) == (0, len(items))
    assert Journal(path).totals() == before


@pytest.mark.parametrize("max_tokens", [200, 300, 7])
async def test_questions_that_were_asked_under_two_limits_become_one(
    old: Callable[[str], Path], max_tokens: int
) -> None:
    path = old("two_limits")
    before = Journal(path).totals()
    assert len(Journal(path)) == 16
    batch = await resume(path, ITEMS, max_tokens=max_tokens, **OPENAI)
    warm = await resume(path, ITEMS, max_tokens=max_tokens, temperature=None, **OPENAI)
    assert batch.summary.calls == warm.summary.calls == 0
    after = Journal(path).totals()
    assert len(Journal(path)) == 12
    assert (after.attempts, after.spent_usd) == (before.attempts, pytest.approx(before.spent_usd))


async def test_functions_are_known_by_their_arguments(old: Callable[[str], Path]) -> None:
    for name, function, items in (
        ("functions", ASKED_BY.label, ARGUMENTS),
        ("one_argument", ASKED_BY.half, [1, 2.0, "3", [4]]),
        ("own_agent", ASKED_BY.BodyAgent(), ITEMS),
    ):
        batch = await ParallelBatchStrategy(3, journal=old(name)).run_batch(function, items)
        assert (batch.summary.calls, batch.summary.from_journal) == (0, len(items)), name
    results = (await ParallelBatchStrategy(3, journal=old("functions")).run_batch(ASKED_BY.label, ARGUMENTS)).results
    assert [result["label"] for result in results[:2]] == ["a 1", "a 1.0"]


async def test_failures_and_doubts_keep_their_money_and_are_asked_again(old: Callable[[str], Path]) -> None:
    path, provider = old("failures"), Silent("format-1:fails")
    before, states = Journal(path).totals(), Journal(path).count()
    assert states["unknown"] == 1 and states["failed"] == 3
    batch = await resume(path, ITEMS, provider=provider)
    # Of the two answers of then, one is empty, and does not count as an answer any more.
    assert batch.summary.from_journal == 1 and provider.calls == 5
    after = Journal(path).totals()
    assert after.unanswered == before.unanswered and after.spent_usd == before.spent_usd


async def test_a_run_that_was_killed_goes_on(old: Callable[[str], Path]) -> None:
    path = old("killed")
    states = Journal(path).count()
    assert states["in_flight"] == 6 and states["done"] > 10
    items = [f"item {number}" for number in range(states["done"] + 6)]
    batch = await resume(path, items, provider=Silent("http://127.0.0.1:18766/v1"), price={"input": 1.0, "output": 2.0})
    assert batch.summary.from_journal == states["done"] and batch.summary.calls == 6
    assert batch.summary.maybe_paid_twice == 6


async def test_a_request_with_half_a_surrogate_pair_keeps_its_place(old: Callable[[str], Path]) -> None:
    path = old("surrogates")
    batch = await resume(path, ["whole"], **OPENAI)
    assert batch.summary.calls == 0
    assert {entry.state for entry in Journal(path)} == {"done", "failed"}


@pytest.mark.parametrize("name", ["openai", "killed", "failures", "functions"])
def test_a_reader_reads_it_as_it_is(old: Callable[[str], Path], name: str) -> None:
    path = old(name)
    with Journal(path) as journal:
        entries, totals = list(journal), journal.totals()
        assert len(entries) == len(journal) > 0 and totals.attempts >= len(entries)
        assert journal.runs() and list(journal.outlines()) and list(journal.rows(journal.runs()[0])) == []
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone()[0] == 1


async def test_a_row_whose_endpoint_is_not_known_is_kept(old: Callable[[str], Path], caplog: Any) -> None:
    path = old("mock")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE runs SET description = replace(description, 'MockProvider', 'Other')")
        connection.commit()
    before = Journal(path).totals()
    async with Journal(path).writing():
        pass
    assert "6 requests is not known" in caplog.text
    assert len(Journal(path)) == 6 and Journal(path).totals() == before


KILLED = """
import sys, time
from pathlib import Path
from kaizen_batch.journal import migration
from kaizen_batch.journal.journal import Journal
steps, at = 0, int(sys.argv[2])
def counted(function):
    def call(*values):
        global steps
        steps += 1
        if steps == at:
            import os, signal
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*values)
    return call
migration._insert = counted(migration._insert)
migration._run_of = counted(migration._run_of)
import kaizen_batch.journal.integrity as integrity
integrity.set_open = counted(integrity.set_open)
integrity.checkpoint = counted(integrity.checkpoint)
Journal(sys.argv[1]).prune(states=("failed",), older_than_s=1e12)
"""


def test_a_migration_that_is_killed_begins_again(old: Callable[[str], Path], tmp_path: Path) -> None:
    reference = old("two_limits")
    expected = Journal(reference).totals()
    kept = tmp_path / "kept"
    kept.mkdir()
    shutil.copy(reference, kept)
    for at in range(1, 41, 2):
        path = tmp_path / f"{at}.db"
        shutil.copy(kept / "two_limits.db", path)
        process = subprocess.run([sys.executable, "-c", KILLED, str(path), str(at)], check=False)
        assert process.returncode in (-9, 0)
        totals = Journal(path).totals()
        assert (totals.attempts, totals.spent_usd) == (expected.attempts, pytest.approx(expected.spent_usd))
        batch = asyncio.run(resume(path, ITEMS, max_tokens=200, **OPENAI))
        assert batch.summary.calls == 0, at
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA user_version").fetchone()[0] == schema.FORMAT


def test_totals_of_an_old_journal_have_no_unknown_prices(old: Callable[[str], Path]) -> None:
    totals = Journal(old("openai")).totals()
    assert isinstance(totals, Totals) and totals.unpriced == 0 and totals.spent_usd > 0
