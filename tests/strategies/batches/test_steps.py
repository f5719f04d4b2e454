"""Each step at the provider can be repeated after a crash: nothing is made twice."""

from dataclasses import replace
from pathlib import Path

import pytest

from kaizen_batch import Journal
from kaizen_batch.config import BatchSettings
from kaizen_batch.errors import ServerError
from kaizen_batch.journal.batches import Batch
from kaizen_batch.providers.batch import BatchLimits
from kaizen_batch.strategies.batches.clock import Clock
from kaizen_batch.strategies.batches.part import Part
from kaizen_batch.strategies.batches.steps import Steps

from .fake import EPOCH, FakeBatches, World
from .test_part import wanted

virtual = pytest.mark.looptime(start=0)


async def ready(journal: object, intent: str = "abc") -> Batch:
    batch = Batch(id=5, intent=intent, endpoint="http://fake/v1", model="m", state="cutting", begun_at=EPOCH)
    part = Part(journal, batch, BatchLimits())  # type: ignore[arg-type]
    await part.open()
    line = b'{"custom_id": "00", "body": {"messages": [{"content": "x"}]}}\n'
    part.write(replace_line(line))
    return await part.close()


def replace_line(line: bytes) -> object:
    return wanted(1)._replace(encoded=line)  # type: ignore[return-value]


@virtual
@pytest.mark.parametrize("crash_after", ["ready", "uploaded", "creating", "lost"])
async def test_a_crash_between_two_steps_makes_no_second_batch(path: Path, crash_after: str) -> None:
    world = World()
    api = FakeBatches(world, BatchSettings())
    async with Journal(path).writing() as journal:
        steps = Steps(api, journal, Clock(), 30.0)
        batch = await ready(journal)
        if crash_after in ("uploaded", "creating", "lost"):
            batch = replace(batch, state="uploaded", input_file=await api.upload(*upload_of(path, batch)))
        if crash_after in ("creating", "lost"):
            batch = replace(batch, state="creating")
        if crash_after == "lost":
            await api.create(batch.input_file or "", batch.intent)
        made = await steps.make(batch)
        assert made.state == "submitted"
        assert Journal(path).batches()[0] == made
    assert len(world.batches) == 1
    assert len(world.files) == 1


def upload_of(path: Path, batch: Batch) -> tuple[Path, str]:
    from kaizen_batch.strategies.batches.part import file_of

    return file_of(path, batch), batch.counts["name"]


@virtual
async def test_an_upload_whose_response_was_lost_is_found_by_its_name(path: Path) -> None:
    world = World(lost_upload=1.0)
    async with Journal(path).writing() as journal:
        made = await Steps(FakeBatches(world, BatchSettings()), journal, Clock(), 30.0).make(await ready(journal))
    assert (made.state, made.input_file, len(world.files)) == ("submitted", "file-0", 1)


@virtual
async def test_a_provider_that_stays_down_ends_the_run_with_the_step_on_the_disk(path: Path) -> None:
    world = World(outage=1.0)
    async with Journal(path).writing() as journal:
        with pytest.raises(ServerError):
            await Steps(FakeBatches(world, BatchSettings()), journal, Clock(), 30.0).make(await ready(journal))
    assert [batch.state for batch in Journal(path).batches()] == ["ready"]
