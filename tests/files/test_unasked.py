"""The requests of a job that its journal does not know."""

import asyncio
from pathlib import Path

import pytest

from kaizen_batch import BatchConfig, FileJob, Journal, run_job
from kaizen_batch.agents import create_agent
from kaizen_batch.errors import ConfigError
from kaizen_batch.files.unasked import unasked


def found(job: FileJob, config: BatchConfig) -> list[str]:
    async def all_of() -> list[str]:
        assert config.journal is not None
        return [request async for _, request in unasked(job, create_agent(config), config, Journal(config.journal))]

    return asyncio.run(all_of())


def test_rows_that_are_not_in_the_journal_come_once_in_their_order(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("text\n" + "".join(f"row {n % 900}\n" for n in range(1_200)) + '""\n')
    config = BatchConfig(llm_provider="mock", journal=tmp_path / "run.db")
    job = FileJob(source, tmp_path / "out.csv", template="{text}", limit=20)
    asyncio.run(run_job(job, create_agent(config), config))
    whole = FileJob(source, tmp_path / "out.csv", template="{text}")
    assert found(job, config) == []
    assert [f'"row {n}"' in text for n, text in enumerate(found(whole, config), start=20)] == [True] * 880
    assert len(found(FileJob(source, tmp_path / "out.csv", template="{text}", sample=50), config)) < 51


def test_a_stream_cannot_be_read_again(tmp_path: Path) -> None:
    config = BatchConfig(llm_provider="mock", journal=tmp_path / "run.db")
    with pytest.raises(ConfigError, match="stream"):
        found(FileJob("-", tmp_path / "out.csv", template="{text}"), config)
