"""Real processes: two on one journal, and kill -9 at a random moment."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kaizen_batch.errors import JournalError
from kaizen_batch.journal import Journal

ITEMS = 400
RUN = f"""
import asyncio, hashlib, os, sys
from kaizen_batch.journal import Journal, StoredAnswer

async def ask(journal, item):
    key = hashlib.sha256(str(item).encode()).digest()
    entry = await journal.look_up(key)
    if entry is not None and entry.state == "done":
        return
    await journal.begin(key, item=item, request='"' + "x" * 8000 + '"', at_risk_usd=0.25)
    os.write(1, b"begun %d\\n" % item)
    await asyncio.sleep(0)
    await journal.done(key, StoredAnswer(f"answer {{item}}"), spent_usd=0.25)
    os.write(1, b"done %d\\n" % item)

async def main():
    async with Journal(sys.argv[1]).writing() as journal:
        os.write(1, b"open 0\\n")
        items = iter(range({ITEMS}))
        async def work():
            for item in items:
                await ask(journal, item)
        async with asyncio.TaskGroup() as group:
            for _ in range(20):
                group.create_task(work())
        if sys.argv[2:] == ["stay"]:
            sys.stdin.read()

asyncio.run(main())
"""


@contextmanager
def running(path: Path, *words: str) -> Iterator["subprocess.Popen[bytes]"]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", RUN, str(path), *words]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def acknowledged(process: "subprocess.Popen[bytes]", stop_after: int | None) -> Iterator[tuple[str, int]]:
    """What the run said was on the disk, up to its end; it is killed after so many words."""
    assert process.stdout is not None
    for number, line in enumerate(process.stdout):
        if number == stop_after:
            process.send_signal(signal.SIGKILL)
        if line.endswith(b"\n"):
            word, item = line.split()
            yield word.decode(), int(item)


def test_killed_at_random_moments_nothing_acknowledged_is_lost(path: Path) -> None:
    done: set[int] = set()
    begun = dict.fromkeys(range(ITEMS), 0)
    kills = [random.randrange(1, ITEMS // 2) for _ in range(3)]
    for stop_after in (*kills, None):
        with running(path) as process:
            for word, item in acknowledged(process, stop_after):
                if word == "begun":
                    assert item not in done, "asked again although its answer was on the disk"
                    begun[item] += 1
                elif word == "done":
                    done.add(item)
        entries = {entry.item: entry for entry in Journal(path)}
        for item in done:
            answer = entries[item].answer
            assert entries[item].state == "done" and answer is not None and answer.text == f"answer {item}", kills
        assert all(entries[item].attempts >= times for item, times in begun.items() if times), kills
    journal = Journal(path)
    assert journal.count()["done"] == ITEMS
    for entry in journal:  # each call is accounted for: answered and paid, or possibly billed
        assert entry.attempts == 1 + entry.unanswered and entry.spent_usd == 0.25, kills
    totals = journal.totals()
    assert totals.maybe_paid_twice == totals.unanswered <= 20 * len(kills)


def test_the_second_process_fails_at_once_and_a_killed_one_frees_the_journal(path: Path) -> None:
    with running(path, "stay") as process:
        assert process.stdout is not None and process.stdout.readline() == b"open 0\n"
        with pytest.raises(JournalError, match=f"in use by process {process.pid} on ") as caught:
            Journal(path).prune()
        assert caught.value.code == "journal_locked"
        with running(path) as second:
            assert f"in use by process {process.pid} on ".encode() in second.communicate()[1]
            assert second.returncode == 1
        process.kill()
        process.wait()
        assert Journal(path).prune() == 0
