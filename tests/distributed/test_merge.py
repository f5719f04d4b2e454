"""Shards and their merging, against a run of a single process: the same output, and exact sums."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kaizen_batch import BatchConfig, ConfigError, FileJob, JobResult, Journal, run_job
from kaizen_batch.agents import create_agent
from kaizen_batch.distributed import LocalFolder, Merged, Shard, Work, merge, merged_journal, open_shard
from kaizen_batch.files.writer import record_writer
from kaizen_batch.simulator import Simulator

PRICE = {"input": 0.15, "output": 0.6}
ROWS = [{"id": str(number), "text": f'row {number},\n"quoted", größer' if number % 7 else ""} for number in range(90)]


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(price_input=PRICE["input"], price_output=PRICE["output"], latency_s=0.001) as simulator:
        yield simulator


def source(folder: Path, suffix: str) -> Path:
    path = folder / f"in.{suffix}"
    if suffix == "parquet":
        pq.write_table(pa.Table.from_pylist(ROWS), path, row_group_size=11)
        return path
    with record_writer(path) as writer:
        for row in ROWS:
            writer.write(dict(row))
    return path


def config_of(simulator: Simulator, **options: Any) -> BatchConfig:
    given = {"base_url": simulator.base_url, "api_key": "any", "price": PRICE, "max_concurrent": 16}
    return BatchConfig(**{**given, **options})


def run_shard(folder: Path, job: FileJob, config: BatchConfig, number: int, count: int = 4) -> JobResult:
    async def run() -> JobResult:
        shard, agent = await open_shard(LocalFolder(folder), Work(job, config, create_agent), Shard(number, count))
        return await shard.run(agent)

    return asyncio.run(run())


def merge_all(folder: Path, job: FileJob, config: BatchConfig) -> Merged:
    return asyncio.run(merge(LocalFolder(folder), Work(job, config, create_agent)))


@pytest.mark.parametrize(
    ("read", "written"),
    [
        ("csv", "csv"),
        ("csv", "parquet"),
        ("jsonl", "jsonl"),
        ("parquet", "parquet"),
        ("json", "json"),
        ("jsonl", "tsv"),
    ],
)
def test_the_output_of_shards_is_byte_for_byte_that_of_one_process(
    tmp_path: Path, simulator: Simulator, read: str, written: str
) -> None:
    config = config_of(simulator)
    (tmp_path / "one").mkdir()
    (tmp_path / "many").mkdir()
    given = {"template": "{text}", "columns": ("usage", "cost", "finish_reason")}
    single = FileJob(source(tmp_path, read), tmp_path / "one" / f"out.{written}", **given)
    asyncio.run(run_job(single, create_agent(config), config))
    shared = FileJob(source(tmp_path, read), tmp_path / "many" / f"out.{written}", **given)
    for number in (3, 1, 4, 2):
        assert run_shard(tmp_path / "run", shared, config, number).complete
    merged = merge_all(tmp_path / "run", shared, config)
    ours = sorted(path.name for path in (tmp_path / "many").iterdir())
    assert ours == sorted(path.name for path in (tmp_path / "one").iterdir())
    for name in ours:
        assert (tmp_path / "many" / name).read_bytes() == (tmp_path / "one" / name).read_bytes()
    assert (merged.missing, merged.summary.total, merged.summary.failed) == ((), 90, 13)
    assert merged.result is not None and merged.result.rows_written == 77


def test_sums_are_exact(tmp_path: Path, simulator: Simulator) -> None:
    config = config_of(simulator)
    job = FileJob(source(tmp_path, "csv"), tmp_path / "out.csv", template="{text}")
    for number in (1, 2, 3, 4):
        run_shard(tmp_path / "run", job, config, number)
    merged = merge_all(tmp_path / "run", job, config.with_options(journal=tmp_path / "all.db"))
    summary, ledger = merged.summary, simulator.ledger
    assert summary.calls == ledger.calls == merged.totals.attempts == 77
    assert summary.cost_usd == pytest.approx(ledger.usd) and merged.totals.spent_usd == pytest.approx(ledger.usd)
    assert (summary.ok, summary.failed, summary.failures) == (77, 13, {"missing_values": 13})
    assert summary.latency_p50_s > 0 and summary.max_concurrent == 16
    with Journal(tmp_path / "all.db") as journal:
        assert journal.count()["done"] == 77
        assert [entry.item for entry in journal] == sorted(entry.item for entry in journal)


def test_what_is_missing_is_said_and_the_rest_is_in_the_partial_file(tmp_path: Path, simulator: Simulator) -> None:
    config = config_of(simulator)
    job = FileJob(source(tmp_path, "csv"), tmp_path / "out.csv", template="{text}")
    for number in (1, 3):
        run_shard(tmp_path / "run", job, config, number)
    calls = simulator.ledger.calls
    merged = merge_all(tmp_path / "run", job, config)
    assert merged.missing == (2, 4) and merged.result is not None and not merged.result.complete
    assert (tmp_path / "out.partial.csv").is_file() and not (tmp_path / "out.csv").exists()
    for number in (2, 4):
        run_shard(tmp_path / "run", job, config, number)
    assert merge_all(tmp_path / "run", job, config).missing == ()
    assert (tmp_path / "out.csv").is_file() and not (tmp_path / "out.partial.csv").exists()
    assert simulator.ledger.calls == 77 > calls  # no merge has made a call


def test_equal_rows_in_different_shards_are_paid_in_each_and_counted(tmp_path: Path, simulator: Simulator) -> None:
    config = config_of(simulator)
    (tmp_path / "in.csv").write_text("text\n" + "same\n" * 8)
    job = FileJob(tmp_path / "in.csv", tmp_path / "out.csv", template="{text}")
    for number in (1, 2, 3, 4):
        run_shard(tmp_path / "run", job, config, number)
    merged = merge_all(tmp_path / "run", job, config)
    assert (simulator.ledger.billed, merged.paid_again, merged.summary.total) == (4, 3, 8)
    assert merged.totals.spent_usd == pytest.approx(simulator.ledger.usd)


def test_a_failure_stays_one_and_is_not_asked_by_a_merge(tmp_path: Path) -> None:
    failing = {"failures": {400: 0.3, 500: 0.2}, "seed": 5}
    config = BatchConfig(llm_provider="mock", max_concurrent=16, provider_options=failing, retry={"attempts": 1})
    job = FileJob(source(tmp_path, "csv"), tmp_path / "out.csv", template="{text}")
    for number in (1, 2, 3, 4):
        run_shard(tmp_path / "run", job, config, number)
    merged = merge_all(tmp_path / "run", job, config.with_options(journal=tmp_path / "all.db"))
    with Journal(tmp_path / "all.db") as journal:
        assert journal.totals().attempts == merged.totals.attempts == merged.summary.calls == 77
        assert journal.count()["failed"] == merged.summary.failed - 13
    assert merged.summary.failures.keys() > {"missing_values"}
    assert merged.result is not None and merged.result.rows_failed == merged.summary.failed
    assert (tmp_path / "out.failed.csv").read_text().count("missing_values") == 13


def test_a_changed_input_or_prompt_is_refused(tmp_path: Path, simulator: Simulator) -> None:
    config = config_of(simulator)
    path = source(tmp_path, "csv")
    job = FileJob(path, tmp_path / "out.csv", template="{text}")
    run_shard(tmp_path / "run", job, config, 1)
    calls = simulator.ledger.calls
    for other in (
        FileJob(path, tmp_path / "out.csv", template="Say {text}"),
        FileJob(path, tmp_path / "out.csv", template="{text}", limit=50),
        FileJob(path, tmp_path / "out.jsonl", template="{text}"),
    ):
        with pytest.raises(ConfigError, match="is not that of the run folder's plan"):
            run_shard(tmp_path / "run", other, config, 2)
    with pytest.raises(ConfigError, match="is not that of the run folder's plan"):
        run_shard(tmp_path / "run", job, config.with_options(temperature=0.9), 2)
    with pytest.raises(ConfigError, match="has 4 shards, and 5 were asked for"):
        run_shard(tmp_path / "run", job, config, 2, 5)
    path.write_text(path.read_text().replace("row 9,", "row X,"))
    with pytest.raises(ConfigError, match="has changed since the plan"):
        run_shard(tmp_path / "run", job, config, 2)
    with pytest.raises(ConfigError, match="has changed since the plan"):
        merge_all(tmp_path / "run", job, config)
    assert simulator.ledger.calls == calls


def test_the_journal_of_a_run_folder_has_shards_under_way(tmp_path: Path, simulator: Simulator) -> None:
    config = config_of(simulator)
    job = FileJob(source(tmp_path, "csv"), tmp_path / "out.csv", template="{text}")
    run_shard(tmp_path / "run", job, config, 2)
    stopped = run_shard(tmp_path / "run", job, config.with_options(deadline_s=0.0001, grace_s=0.0), 3)
    assert not stopped.complete and not (tmp_path / "run" / "parts" / "0003.db").exists()
    with merged_journal(LocalFolder(tmp_path / "run")) as path, Journal(path) as journal:
        assert len(journal.runs()) == 2 and journal.count()["done"] >= 15


@pytest.mark.parametrize(
    ("job", "message"),
    [
        ({"input": "-"}, "shards need an input that can be read again"),
        ({"sample": 3}, "sample and shards exclude each other"),
        ({"rows": (0, 3)}, "rows and shards exclude each other"),
    ],
)
def test_what_cannot_be_cut_is_refused(tmp_path: Path, simulator: Simulator, job: dict[str, Any], message: str) -> None:
    given = {"input": source(tmp_path, "csv"), "output": tmp_path / "out.csv", "template": "{text}", **job}
    with pytest.raises(ConfigError, match=message):
        run_shard(tmp_path / "run", FileJob(**given), config_of(simulator), 1)
    assert simulator.ledger.calls == 0


def test_a_folder_without_a_plan_is_no_run_folder(tmp_path: Path, simulator: Simulator) -> None:
    job = FileJob(source(tmp_path, "csv"), tmp_path / "out.csv", template="{text}")
    with pytest.raises(ConfigError, match="is no run folder"):
        merge_all(tmp_path, job, config_of(simulator))
