"""Claims to a shard: one process has it, and a dead one does not keep it."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from kaizen_batch import FileJob, JournalError, run_job
from kaizen_batch.agents import create_agent
from kaizen_batch.distributed import LocalFolder, claims, merge
from kaizen_batch.distributed.claims import Held, claimed, latest
from kaizen_batch.simulator import Simulator
from tests.distributed.machines import shared, start, wait_for, work_of

ROWS = 60
HERE, THERE = Path("/disk-of-a/0001.db"), Path("/disk-of-b/0001.db")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "BEAT_S", 0.02)
    monkeypatch.setattr(claims, "EXPIRES_S", 0.2)


def folder_at(path: Path) -> LocalFolder:
    return LocalFolder(path / "run")


@pytest.mark.usefixtures("quick")
async def test_a_shard_that_is_alive_elsewhere_is_refused(tmp_path: Path) -> None:
    held = await claimed(folder_at(tmp_path), 1, HERE)

    async def live() -> None:
        while True:
            held.beat(3, 0.5)
            await asyncio.sleep(claims.BEAT_S)

    living = asyncio.create_task(live())
    with pytest.raises(JournalError, match=r"shard 1 is not free: it is being processed on .*; wait for its end"):
        await claimed(folder_at(tmp_path), 1, THERE)
    await claimed(folder_at(tmp_path), 2, THERE)  # another shard is free
    living.cancel()


@pytest.mark.usefixtures("quick")
async def test_a_dead_process_does_not_keep_a_shard_and_a_frozen_one_loses_it(tmp_path: Path) -> None:
    first = await claimed(folder_at(tmp_path), 1, HERE)
    first.beat(7, 0.5)
    second = await claimed(folder_at(tmp_path), 1, THERE)
    assert (second.claim.calls, second.claim.usd, second.was_here) == (7, 0.5, False)
    with pytest.raises(JournalError, match="another process took it over"):
        first.beat(9, 0.6)
    second.beat(8, 0.55)
    number, last = latest(folder_at(tmp_path), 1)
    assert (number, last) == (2, second.claim)


async def test_an_ended_process_and_one_of_the_same_journal_are_not_waited_for(tmp_path: Path) -> None:
    first = await claimed(folder_at(tmp_path), 1, HERE)  # a test that waited here would last for seconds
    again = await claimed(folder_at(tmp_path), 1, HERE)
    assert not first.was_here and again.was_here
    again.beat(4, 0.1, over=True)
    other = await claimed(folder_at(tmp_path), 1, THERE)
    assert (other.claim.calls, other.claim.over) == (4, False)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("left_behind", [False, True])
async def test_of_several_that_start_together_one_wins(tmp_path: Path, left_behind: bool) -> None:
    if left_behind:
        await claimed(folder_at(tmp_path), 1, HERE)
    found: list[Held] = []

    async def one(number: int) -> None:
        try:
            found.append(await claimed(folder_at(tmp_path), 1, Path(f"/disk-{number}/0001.db")))
        except JournalError as error:
            assert "is not free" in error.message

    async with asyncio.TaskGroup() as group:
        for number in range(8):
            group.create_task(one(number))
    assert len(found) == 1


def output_is_right(folder: Path, url: str) -> bool:
    asyncio.run(merge(shared(folder), work_of(folder, url)))
    config = work_of(folder, url).config
    single = FileJob(folder / "in.csv", folder / "one.csv", template="{text}")
    asyncio.run(run_job(single, create_agent(config), config))
    return (folder / "out.csv").read_bytes() == (folder / "one.csv").read_bytes()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in.csv").write_text("text\n" + "".join(f"row {row}\n" for row in range(ROWS)))
    return tmp_path


def test_two_machines_that_start_a_shard_together_pay_once(folder: Path) -> None:
    with Simulator(latency_s=0.08) as simulator:
        both = [start(folder, simulator.base_url, machine) for machine in "ab"]
        said = [process.communicate(timeout=60)[1] for process in both]
        codes = sorted(process.returncode for process in both)
        # A machine that is so slow that it begins after the end of the other is not refused: it has nothing to ask.
        assert (codes, "shard 1 is not free" in "".join(said)) in (([0, 3], True), ([0, 0], False)), said
        assert simulator.ledger.billed == ROWS
        assert output_is_right(folder, simulator.base_url)


def test_a_frozen_machine_that_wakes_up_stops(folder: Path) -> None:
    with Simulator(latency_s=0.1) as simulator:
        frozen = start(folder, simulator.base_url, "a")
        wait_for(simulator, 10, frozen)
        os.kill(frozen.pid, signal.SIGSTOP)
        other = start(folder, simulator.base_url, "b")
        try:
            wait_for(simulator, 25, other)
        finally:
            os.kill(frozen.pid, signal.SIGCONT)
        assert "another process took it over" in frozen.communicate(timeout=60)[1]
        assert (frozen.returncode, other.wait(60)) == (3, 0)
        other.communicate(timeout=10)
        assert ROWS <= simulator.ledger.billed < 2 * ROWS
        assert output_is_right(folder, simulator.base_url)
