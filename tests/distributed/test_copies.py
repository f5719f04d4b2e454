"""The copy of a shard's journal: what a lost machine costs, and that it is counted."""

import asyncio
import shutil
from pathlib import Path

import pytest

from kaizen_batch import Journal, JournalError
from kaizen_batch.distributed import LocalFolder, Shard, claims, merged_journal, open_shard, shard_states
from kaizen_batch.distributed.claims import latest
from kaizen_batch.distributed.copies import committed_usd_in, committed_usd_of, journal_path
from kaizen_batch.distributed.shards import plan_of
from kaizen_batch.simulator import Simulator
from tests.distributed.machines import EXPIRES_S, run, shared, start, wait_for, work_of
from tests.trust.kill_processes import wait_until

ROWS = 80


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an input, and this process on a machine of its own."""
    (tmp_path / "in.csv").write_text("text\n" + "".join(f"row {row}\n" for row in range(ROWS)))
    (tmp_path / "here").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "here"))
    monkeypatch.setattr(claims, "EXPIRES_S", EXPIRES_S)
    return tmp_path


@pytest.mark.parametrize("copy_every_s", [30.0, 0.3])
def test_a_lost_machine_costs_what_came_since_the_copy_and_that_is_counted(folder: Path, copy_every_s: float) -> None:
    with Simulator(latency_s=0.05) as simulator:
        machine = start(folder, simulator.base_url, "lost", copy_every_s)
        wait_for(simulator, ROWS // 2, machine)
        machine.kill()
        machine.communicate(timeout=60)
        shutil.rmtree(folder / "lost")
        claim = latest(shared(folder), 1)[1]
        assert claim is not None and not claim.over and claim.calls > 0
        was_copied = bool(shard_states(shared(folder))["begun"])
        assert was_copied == (copy_every_s < 1.0)
        wait_until(lambda: simulator.ledger.in_flight == 0)  # its last calls are answered, to nobody
        before = simulator.ledger.billed
        asyncio.run(run(folder, simulator.base_url))
        paid_again, asked_again = simulator.ledger.billed - ROWS, simulator.ledger.billed - before
        with merged_journal(shared(folder)) as path, Journal(path) as journal:
            totals, answered = journal.totals(), journal.count()["done"]
        assert answered == ROWS
        # What the last beat before the loss knew is counted; it can miss what came after it.
        assert claim.calls <= totals.attempts - asked_again <= before
        assert totals.maybe_paid_twice > 0 and paid_again <= before
        if was_copied:
            assert paid_again < before


def test_a_killed_process_on_a_machine_that_lives_loses_nothing(folder: Path) -> None:
    with Simulator(latency_s=0.05) as simulator:
        killed = start(folder, simulator.base_url, "here")
        wait_for(simulator, 30, killed)
        killed.kill()
        killed.communicate(timeout=60)
        asyncio.run(run(folder, simulator.base_url))
        assert ROWS <= simulator.ledger.billed <= ROWS + 2  # what was in flight
        with merged_journal(shared(folder)) as path, Journal(path) as journal:
            assert journal.totals().maybe_paid_twice <= 4


def test_a_second_process_of_one_machine_is_refused_and_the_first_goes_on(folder: Path) -> None:
    with Simulator(latency_s=0.1) as simulator:
        first = start(folder, simulator.base_url, "here")
        wait_for(simulator, 10, first)
        with pytest.raises(JournalError, match="shard 1 is not free: another process of this machine has it"):
            asyncio.run(run(folder, simulator.base_url))
        assert first.poll() is None
        assert first.wait(60) == 0, first.communicate(timeout=10)[1]
        first.communicate(timeout=10)
        assert simulator.ledger.billed == ROWS


async def test_what_a_shard_has_committed_is_known_wherever_its_journal_is(folder: Path, tmp_path: Path) -> None:
    with Simulator() as simulator:
        work = work_of(folder, simulator.base_url)
        work = type(work)(work.job, work.config.with_options(price={"input": 1, "output": 1}), work.make_agent)
        for place in (shared(folder), LocalFolder(folder / "local.run")):
            shard, agent = await open_shard(place, work, Shard(1, 1))
            await shard.run(agent)
            plan = plan_of(place)
            usd = committed_usd_of(journal_path(place, plan, 1))
            assert usd > 0 and committed_usd_in(place, plan, 1) == pytest.approx(usd)
            assert committed_usd_in(place, plan, 2) == 0.0
