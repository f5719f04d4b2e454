"""Object storage, against a server that speaks S3: input, output and run folder, as one process would have done it."""

import asyncio
import os
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from kaizen_batch import BatchConfig, FileJob, RecordError, run_job
from kaizen_batch.agents import create_agent
from kaizen_batch.distributed import Shard, Work, merge, merged_journal, open_folder, open_shard, shard_states
from kaizen_batch.files.objects import open_object, size_of, upload
from kaizen_batch.journal import Journal
from kaizen_batch.simulator import Simulator
from tests.distributed.namespace import installed
from tests.distributed.objects import google

ROWS = 40


def lines() -> str:
    return "id,text\n" + "".join(f'{number},"row {number},\nin two lines"\n' for number in range(ROWS))


def config_of(simulator: Simulator) -> BatchConfig:
    return BatchConfig(base_url=simulator.base_url, api_key="any", max_concurrent=8)


def test_a_folder_of_objects_keeps_its_promises(place: str, tmp_path: Path) -> None:
    folder = open_folder(f"{place}/labels.run/")
    assert folder.is_remote and folder.name == f"{place}/labels.run"
    assert folder.create("plan.json", b"one") and not folder.create("plan.json", b"two")
    assert folder.read("plan.json") == b"one" and folder.read("none") is None
    (tmp_path / "a").write_bytes(b"x" * 100_000)
    folder.put("parts/1", tmp_path / "a")
    assert folder.has("parts/1") and not folder.has("parts/2")
    assert folder.fetch("parts/1", tmp_path / "b") and not folder.fetch("parts/2", tmp_path / "c")
    assert (tmp_path / "b").read_bytes() == b"x" * 100_000
    folder.write("plan.json", b"three")
    assert folder.read("plan.json") == b"three"


def test_an_object_is_read_like_a_file(place: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(range(256)) * 5000)
    upload(tmp_path / "a", f"{place}/a")
    assert size_of(f"{place}/a") == 1_280_000
    with open_object(f"{place}/a") as stream:
        assert stream.read() == (tmp_path / "a").read_bytes()
        stream.seek(-3, 2)
        assert stream.read() == bytes((253, 254, 255))
    with pytest.raises(RecordError, match="none"):
        open_object(f"{place}/none")


def test_a_store_that_does_not_answer_as_it_should_is_an_error_that_names_it(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import obstore.store

    (tmp_path / "a").write_bytes(b"x")
    folder = open_folder(f"{bucket}-none/labels.run")
    for write in (
        lambda: folder.create("plan.json", b"one"),
        lambda: folder.write("plan.json", b"one"),
        lambda: folder.put("plan.json", tmp_path / "a"),
        lambda: upload(tmp_path / "a", f"{bucket}-none/a"),
    ):
        with pytest.raises(RecordError, match=f"cannot be written: there is no '{bucket}-none': create it"):
            write()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    never_again = partial(obstore.store.from_url, retry_config={"max_retries": 0})
    monkeypatch.setattr(obstore.store, "from_url", never_again)
    folder = open_folder(f"{bucket}-other/labels.run")
    for ask in (
        lambda: folder.read("plan.json"),
        lambda: folder.has("plan.json"),
        lambda: folder.fetch("plan.json", tmp_path / "b"),
        lambda: folder.create("plan.json", b"one"),
        lambda: size_of(f"{bucket}-other/a"),
        lambda: open_object(f"{bucket}-other/a"),
    ):
        with pytest.raises(RecordError, match=f"'{bucket}-other/.*': the object store says: .*127.0.0.1:1"):
            ask()


@pytest.mark.parametrize(
    ("url", "environment", "said"),
    [
        (
            "gs://b/a.csv",
            {"GOOGLE_APPLICATION_CREDENTIALS": "/none.json"},
            "'gs://b': .*service account file from /none.json",
        ),
        ("az://c/a.csv", {}, "'az://c': .*Account must be specified"),
    ],
)
def test_missing_credentials_are_an_error_that_names_the_store(
    url: str, environment: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed("obstore")
    for name in [name for name in os.environ if name.startswith(("AZURE_", "GOOGLE_"))]:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(RecordError, match=said):
        open_object(url)


def test_a_gs_url_is_that_of_google_s_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed("obstore")
    (tmp_path / "a").write_bytes(b"one")
    with google() as (url, environment):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        upload(tmp_path / "a", f"{url}/a")
        assert size_of(f"{url}/a") == 3
        folder = open_folder(f"{url}/x.run")
        assert folder.create("plan.json", b"one") and not folder.create("plan.json", b"two")
        assert folder.read("plan.json") == b"one" and folder.has("plan.json")
        assert folder.read("none") is None and not folder.has("none")
        folder.write("plan.json", b"three")
        assert folder.fetch("plan.json", tmp_path / "b") and (tmp_path / "b").read_bytes() == b"three"


@pytest.mark.parametrize("suffix", ["csv", "parquet", "csv.gz"])
def test_a_job_reads_and_writes_objects(place: str, tmp_path: Path, suffix: str) -> None:
    (tmp_path / "in.csv").write_text(lines())
    upload(tmp_path / "in.csv", f"{place}/in.csv")
    with Simulator() as simulator:
        config = config_of(simulator)
        for source, target in ((f"{place}/in.csv", f"{place}/out.{suffix}"), ("in.csv", f"out.{suffix}")):
            paths = [text if "://" in text else str(tmp_path / text) for text in (source, target)]
            job = FileJob(paths[0], paths[1], template="{text}")
            result = asyncio.run(run_job(job, create_agent(config), config))
            assert result.rows_written == ROWS and result.complete
    with open_object(f"{place}/out.{suffix}") as stream:
        assert stream.read() == (tmp_path / f"out.{suffix}").read_bytes()
    assert not list(tmp_path.glob("kaizen-batch-*/out*"))


def test_shards_meet_in_a_bucket_and_a_lost_machine_resumes_from_the_copy(bucket: str, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text(lines())
    upload(tmp_path / "in.csv", f"{bucket}/in.csv")
    folder = open_folder(f"{bucket}/out.csv.run")
    job = FileJob(f"{bucket}/in.csv", f"{bucket}/out.csv", template="{text}")
    with Simulator(latency_s=0.01) as simulator:
        work = Work(job, config_of(simulator), create_agent)

        async def run(number: int, **options: Any) -> Any:
            given = Work(job, work.config.with_options(**options), create_agent)
            shard, agent = await open_shard(folder, given, Shard(number, 2))
            return await shard.run(agent), shard.config.journal

        stopped, journal = asyncio.run(run(1, deadline_s=0.04, grace_s=1.0))
        assert not stopped.complete and shard_states(folder)["begun"] == [1]
        answered = simulator.ledger.billed
        assert 0 < answered < ROWS // 2
        for file in journal.parent.iterdir():  # the machine and its disk are lost
            file.unlink()
        assert asyncio.run(run(1))[0].complete and asyncio.run(run(2))[0].complete
        assert simulator.ledger.billed == ROWS  # nothing that was copied is paid again
        merged = asyncio.run(merge(folder, work))
        assert merged.missing == () and merged.summary.total == ROWS
        single = FileJob(str(tmp_path / "in.csv"), str(tmp_path / "one.csv"), template="{text}")
        asyncio.run(run_job(single, create_agent(work.config), work.config))
    with open_object(f"{bucket}/out.csv") as stream:
        assert stream.read() == (tmp_path / "one.csv").read_bytes()
    with merged_journal(folder) as path:
        assert Journal(path).count()["done"] == ROWS
