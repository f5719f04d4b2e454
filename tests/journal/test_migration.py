"""Journals that the release before wrote, in format 1, open, migrate and resume without a call."""

import asyncio
import importlib.util
import json
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
from kaizen_batch.errors import JournalError
from kaizen_batch.journal import Entry, Journal, Totals

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


KILLER = """
import json, os, signal, sqlite3, sys
from pathlib import Path
from kaizen_batch.journal.files import Connection
from kaizen_batch.journal.store import Store

# A kill loses nothing that was written, synced or not; syncing would only make this slow.
def execute(connection, text, *cells):
    return sqlite3.Connection.execute(connection, text.replace("= FULL", "= OFF"), *cells)

Connection.execute = execute

def open_store(path, at):
    # Counts each call of a function of the journal and of SQLite, and kills the process before number `at`.
    steps = 0
    def profile(frame, event, called):
        nonlocal steps
        if "call" in event and os.sep + "journal" + os.sep in frame.f_code.co_filename:
            steps += 1
            if steps == at:
                os.kill(os.getpid(), signal.SIGKILL)
    store = Store(Path(path))
    sys.setprofile(profile)
    store.open(creator="test", now=0.0)
    sys.setprofile(None)
    print(steps, flush=True)
    os._exit(0)

for line in sys.stdin:
    path, at = json.loads(line)
    if not os.fork():
        open_store(path, at)
    if os.waitstatus_to_exitcode(os.wait()[1]):
        print(-at, flush=True)
"""
POINTS = 20


def opened_and_killed(paths: list[Path], ats: list[int]) -> list[int]:
    """Open each journal in a process that is killed at a step, 0 for none; the steps of each, or minus the last one."""
    lines = "".join(f"{json.dumps([str(path), at])}\n" for path, at in zip(paths, ats, strict=True))
    process = subprocess.run([sys.executable, "-c", KILLER], input=lines, capture_output=True, text=True, check=True)
    return [int(steps) for steps in process.stdout.split()]


PECULIAR = ("two_limits", "killed")
EVERY_KIND = [*CASES, *PECULIAR, "failures", "functions", "one_argument", "own_agent", "surrogates"]


@pytest.mark.parametrize("name", EVERY_KIND)
def test_a_migration_that_is_killed_begins_again(old: Callable[[str], Path], name: str) -> None:
    source = old(name)

    def copied(to: str) -> Path:
        for part in ("", "-wal"):
            if Path(f"{source}{part}").exists():
                shutil.copy(f"{source}{part}", source.with_name(f"{to}.db{part}"))
        return source.with_name(f"{to}.db")

    whole = copied("whole")
    [steps] = opened_and_killed([whole], [0])
    # At every point where the contents are peculiar, and else at one in four, each kind at others.
    points = range(POINTS) if name in PECULIAR else range(EVERY_KIND.index(name) % 4, POINTS, 4)
    ats = [1 + (steps - 2) * point // (POINTS - 1) for point in points]
    paths = [copied(str(at)) for at in ats]
    assert opened_and_killed(paths, ats) == [-at for at in ats]
    expected = contents(whole)
    for path in paths:
        old_file = Path(f"{path}.format-1")
        if old_file.exists():  # complete, or not there
            assert Journal(old_file).totals().attempts == expected[0].attempts
    assert min(opened_and_killed(paths, [0] * len(paths))) > 0
    for path in paths:
        assert contents(path) == expected, path.name
        assert not list(path.parent.glob(f"{path.name}.format-1*"))


def contents(path: Path) -> tuple[Totals, list[Entry]]:
    with Journal(path) as journal:
        return journal.totals(), sorted(journal, key=lambda entry: entry.key)


async def opened(path: Path) -> None:
    async with Journal(path).writing() as journal:
        assert journal.findings.damaged == 0


@pytest.mark.parametrize("name", ["two_limits", "killed"])
def test_a_full_disk_leaves_the_old_journal_as_it_was(old: Callable[[str], Path], name: str) -> None:
    path = old(name)
    parts = [file for file in (path, Path(f"{path}-wal")) if file.exists()]
    source = {file: file.read_bytes() for file in parts}
    limited = FULL_DISK.format(path=str(path))
    outcomes = set()
    for power in range(9):
        room = 4096 * 2**power
        for file, content in source.items():
            file.write_bytes(content)
        process = subprocess.run([sys.executable, "-c", limited, str(room)], capture_output=True, text=True, check=True)
        outcomes.add(process.stdout.strip())
        assert not list(path.parent.glob(f"{path.name}.format-1*"))
        with closing(sqlite3.connect(path)) as connection:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            assert connection.execute("PRAGMA quick_check").fetchone()[0] == "ok"
        assert version == (2 if process.stdout.strip() == "migrated" else 1)
        if "migrated" in outcomes:
            break
    assert outcomes > {"migrated"} and outcomes <= {"migrated", "journal_full", "journal_unwritable"}


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from kaizen_batch.errors import JournalError
from kaizen_batch.journal.store import Store
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
store = Store(Path({path!r}))
try:
    store.open(creator="test", now=0.0)
    print("migrated")
except JournalError as error:
    print(error.code)
"""


def test_a_file_that_has_the_name_of_the_copy_is_not_touched(old: Callable[[str], Path]) -> None:
    path = old("mock")
    other = Path(f"{path}.format-1")
    other.write_text("mine")
    with pytest.raises(JournalError) as caught:
        asyncio.run(opened(path))
    assert caught.value.code == "journal_unwritable" and str(other) in caught.value.message
    assert other.read_text() == "mine"
    other.unlink()
    asyncio.run(opened(path))


def test_totals_of_an_old_journal_have_no_unknown_prices(old: Callable[[str], Path]) -> None:
    totals = Journal(old("openai")).totals()
    assert isinstance(totals, Totals) and totals.unpriced == 0 and totals.spent_usd > 0
