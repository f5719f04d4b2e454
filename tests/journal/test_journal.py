"""The user's face: count, iterate, export, prune."""
# ruff: noqa: ASYNC240 - a test may touch the disk

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kaizen_batch.errors import ConfigError, JournalError
from kaizen_batch.journal import Journal, StoredAnswer, Totals
from kaizen_batch.prices import Usage
from kaizen_batch.results import ItemError

TORN = ItemError("NoAnswerError", "torn", "no_answer", True)
BAD = ItemError("BadRequestError", "no", "bad_request", False)


@pytest.fixture
async def written(path: Path, key_of: Callable[[int], bytes]) -> Path:
    """Items 5 done, 4 failed, 3 unknown twice, 2 done after an unknown call, 1 in flight (unknown when reopened)."""
    async with Journal(path, clock=lambda: 100.0, creator="1.2").writing() as journal:
        for item in (5, 4, 3, 2, 1):
            await journal.begin(key_of(item), item=item, request=json.dumps({"n": item}), at_risk_usd=0.25)
        await journal.done(key_of(5), StoredAnswer("fünf \ud800", usage=Usage(3, 2, 1), latency_s=0.5), spent_usd=0.5)
        journal.end_call(key_of(4), BAD, spent_usd=0.125)
        await journal.failed(key_of(4), BAD)
        for item in (3, 2):
            journal.end_call(key_of(item), TORN, may_be_billed=True)
            await journal.begin(key_of(item), item=item, request="{}", at_risk_usd=0.25)
        journal.end_call(key_of(3), TORN, may_be_billed=True)
        await journal.failed(key_of(3), TORN)
        await journal.done(key_of(2), StoredAnswer(value={"a": 1}), spent_usd=0.5)
    return path


def test_count_len_and_totals(written: Path) -> None:
    with Journal(written) as journal:
        assert journal.count() == {"in_flight": 1, "submitted": 0, "done": 2, "failed": 1, "unknown": 1}
        assert len(journal) == 5
        assert journal.totals() == Totals(7, 1.125, 3, 0.75, 2, 0.5, at_risk_usd=0.25, under_way=1)
        assert journal.totals().to_dict()["maybe_paid_twice"] == 2


async def test_an_empty_journal_is_a_journal(path: Path) -> None:
    async with Journal(path).writing():
        journal = Journal(path)
        assert len(journal) == 0 and journal
        assert list(journal) == [] and journal.totals() == Totals()
        assert sum(journal.count().values()) == 0


def test_a_call_counts_at_its_end_or_now(written: Path) -> None:
    # failed, without usage, done, unknown, in flight
    rows = [(100.0, 0), (100.0, 0), (100.0, 5), (100.0, 5), (160.0, 5)]
    assert sorted(Journal(written).sent_since(50.0, 160.0)) == sorted(rows)
    assert Journal(written).sent_since(100.0, 160.0) == []


def test_entries_come_in_order_of_item(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kaizen_batch.journal.journal._PAGE", 2)
    with Journal(written) as journal:
        assert [entry.item for entry in journal] == [1, 2, 3, 4, 5]
        assert [entry.item for entry in journal.entries(("done", "failed"))] == [2, 4, 5]


async def test_entries_of_one_item_are_all_there(
    path: Path, key_of: Callable[[int], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kaizen_batch.journal.journal._PAGE", 2)
    async with Journal(path).writing() as journal:
        for number in range(5):
            await journal.begin(key_of(number), item=0, request=str(number))
        await journal.done(key_of(9), StoredAnswer("no begin"))
    assert [entry.request for entry in Journal(path)] == ["null", "0", "1", "2", "3", "4"]


def test_outlines_are_the_entries_without_their_texts(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kaizen_batch.journal.journal._OUTLINES", 2)
    with Journal(written) as journal:
        outlines = list(journal.outlines())
        entries = {entry.key: entry for entry in journal}
    assert [outline.item for outline in outlines] == [5, 4, 3, 2, 1]
    for outline in outlines:
        entry = entries[outline.key]
        latency_s = entry.answer.latency_s if entry.answer else None
        assert outline[1:] == (entry.state, entry.item, latency_s, entry.error)


def test_entries_are_found_in_the_order_of_their_keys(written: Path, key_of: Callable[[int], bytes]) -> None:
    found = Journal(written).find([key_of(2), key_of(99), key_of(5)])
    assert [entry.item for entry in found] == [2, 5]
    assert Journal(written).find([]) == []


def test_an_entry_as_a_dict(written: Path, key_of: Callable[[int], bytes]) -> None:
    entries = {entry.item: entry.to_dict() for entry in Journal(written)}
    assert entries[5] == {
        "key": key_of(5).hex(),
        "state": "done",
        "item": 5,
        "request": {"n": 5},
        "attempts": 1,
        "begun_at": 100.0,
        "ended_at": 100.0,
        "error": None,
        "spent_usd": 0.5,
        "unanswered": 0,
        "unanswered_usd": 0.0,
        "at_risk_usd": 0.0,
        "text": "fünf \ud800",
        "finish_reason": None,
        "refusal": None,
        "model": None,
        "answered_by": None,
        "value": None,
        "usage": {"input_tokens": 3, "output_tokens": 2, "cached_tokens": 1, "reasoning_tokens": 0},
        "latency_s": 0.5,
        "unpriced": 0,
        "via": "live",
        "batch": None,
        "reasoning": None,
        "max_tokens": None,
    }
    assert entries[4]["error"] == {
        "type": "BadRequestError",
        "message": "no",
        "code": "bad_request",
        "retryable": False,
    }
    assert entries[4]["latency_s"] is None and entries[2]["value"] == {"a": 1}


async def test_a_request_that_is_not_json_is_shown_as_it_is(path: Path) -> None:
    async with Journal(path).writing() as journal:
        await journal.begin(bytes(32), item=0, request="not json")
    (entry,) = Journal(path)
    assert entry.to_dict()["request"] == "not json"


def test_export_writes_json_lines(written: Path, tmp_path: Path) -> None:
    target = tmp_path / "answers.jsonl"
    target.write_text("old")
    with Journal(written) as journal:
        assert journal.export(target, states=("done",)) == 2
        assert journal.export(tmp_path / "all.jsonl") == 5
        lines = [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()]
        assert lines == [entry.to_dict() for entry in journal if entry.state == "done"]
    assert target.stat().st_mode & 0o777 == 0o600


def test_an_export_that_fails_leaves_what_was_there(
    written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "answers.jsonl"
    target.write_text("old")
    before = sorted(tmp_path.iterdir())

    def broken(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(JournalError, match=r"answers\.jsonl") as caught:
        Journal(written).export(target)
    assert caught.value.code == "journal_full"
    assert target.read_text() == "old" and sorted(tmp_path.iterdir()) == before
    with pytest.raises(JournalError) as caught:
        Journal(written).export(tmp_path / "no-such" / "answers.jsonl")
    assert caught.value.code == "journal_unwritable"


def test_prune_takes_what_failed(written: Path) -> None:
    with Journal(written) as journal:
        assert journal.prune() == 1
        assert journal.count() == {"in_flight": 0, "submitted": 0, "done": 2, "failed": 0, "unknown": 2}


def test_prune_spares_what_is_young(written: Path) -> None:
    journal = Journal(written, clock=lambda: 160.0)
    assert journal.prune(states=("done", "unknown"), older_than_s=61.0) == 0
    assert journal.prune(states=("done", "unknown"), older_than_s=60.0) == 4
    assert journal.count() == {"in_flight": 0, "submitted": 0, "done": 0, "failed": 1, "unknown": 0}


async def test_prune_gives_the_space_back(path: Path, key_of: Callable[[int], bytes]) -> None:
    async with Journal(path).writing() as journal:
        for item in range(20):
            await journal.begin(key_of(item), item=item, request="x" * 20_000)
    size = path.stat().st_size
    assert Journal(path).prune(states=("unknown",)) == 20
    assert path.stat().st_size < size / 5


@pytest.mark.parametrize("act", ["entries", "export", "prune"])
def test_states_are_checked(written: Path, tmp_path: Path, act: str) -> None:
    journal: Any = Journal(written)
    acts = {
        "entries": lambda states: list(journal.entries(states)),
        "export": lambda states: journal.export(tmp_path / "x", states=states),
        "prune": lambda states: journal.prune(states=states),
    }
    with pytest.raises(ConfigError, match=r"no state 'fail': did you mean 'failed'\?"):
        acts[act](("fail",))
    with pytest.raises(ConfigError, match="give a tuple"):
        acts[act]("failed")
    assert len(journal) == 5


def test_a_reader_leaves_nothing_behind_and_may_be_used_again(written: Path) -> None:
    journal = Journal(written)
    for _ in range(2):
        with journal:
            assert len(list(journal)) == 5
        assert len(journal) == 5
    assert sorted(file.name for file in written.parent.iterdir()) == ["run.db", "run.db.lock"]


async def test_a_reader_stands_beside_the_writer(path: Path, key_of: Callable[[int], bytes]) -> None:
    async with Journal(path).writing() as writer:
        with Journal(path) as journal:
            for item in range(3):
                await writer.begin(key_of(item), item=item, request="{}")
                assert journal.count()["in_flight"] == item + 1
    assert len(Journal(path)) == 3


def test_a_path_may_be_relative_text_or_start_at_home(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(written.parent)
    monkeypatch.setenv("HOME", str(written.parent))
    for name in ("run.db", "./run.db", "~/run.db", written, Path("run.db")):
        assert len(Journal(name)) == 5
    assert repr(Journal("run.db")) == f"Journal({str(written)!r})"


async def test_a_call_without_an_end_counts_while_its_run_was_alive(path: Path, key_of: Callable[[int], bytes]) -> None:
    now = [100.0]
    request = json.dumps({"messages": [], "max_tokens": 50})
    async with Journal(path, clock=lambda: now[0]).writing() as journal:
        journal.begin_run({"total": 2})
        await journal.begin(key_of(1), item=1, request=request, at_risk_usd=0.0)
        now[0] = 130.0
        journal.sample({}, 30.0)
        await journal.begin(key_of(2), item=2, request=request, at_risk_usd=0.0)
        snapshot = path.with_name("killed.db")
        Journal(path).snapshot(snapshot)
    bound = len(request) + 50
    assert Journal(snapshot).sent_since(125.0, 140.0) == [(140.0, bound), (140.0, bound)]
    assert Journal(snapshot).sent_since(135.0, 140.0) == [], "the last that was seen of it is longer ago"
