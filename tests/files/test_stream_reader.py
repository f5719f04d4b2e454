"""A stream is read in a thread that can always be ended, and its rows come as soon as they are there."""

import asyncio
import os
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from kaizen_batch import BatchConfig, FileJob
from kaizen_batch.agents import create_agent
from kaizen_batch.errors import DeadlineError
from kaizen_batch.files.jobs import run_job
from kaizen_batch.files.stream_reader import StreamReader
from kaizen_batch.files.streams import open_bytes


def readers() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("kaizen-batch input")]


def all_of(pipe: Path) -> bytes:
    with open_bytes(str(pipe)) as stream:
        return stream.read()


async def test_a_reader_that_waits_for_a_silent_stream_can_be_ended(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = StreamReader()
    waiting = asyncio.create_task(reader.call(partial(all_of, tmp_path / "pipe")))
    await asyncio.sleep(0.05)
    assert not waiting.done() and readers()
    reader.close()
    assert await waiting == b"" and not readers()


async def test_a_cancelled_call_ends_the_thread(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = StreamReader()
    waiting = asyncio.create_task(reader.call(partial(all_of, tmp_path / "pipe")))
    await asyncio.sleep(0.05)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not readers()


async def test_rows_come_in_order_and_few_are_read_ahead() -> None:
    reader, read = StreamReader(), 0

    def rows() -> Iterator[int]:
        nonlocal read
        for number in range(1_000):
            read += 1
            yield number

    seen = []
    async for row in reader.rows(rows()):
        seen.append(row)
        assert read <= len(seen) + 66
    reader.close()
    assert seen == list(range(1_000))


async def test_an_error_comes_behind_the_rows_before_it() -> None:
    def rows() -> Iterator[int]:
        yield from range(3)
        raise ValueError("broken")

    reader, seen = StreamReader(), []
    with pytest.raises(ValueError, match="broken"):
        async for row in reader.rows(rows()):
            seen.append(row)  # noqa: PERF401 - what came before the error
    reader.close()
    assert seen == [0, 1, 2] and not readers()


class Pipe:
    """A named pipe that a job reads, and the lines of its output so far."""

    def __init__(self, folder: Path, name: str = "in.jsonl") -> None:
        self.path, self.output = folder / name, folder / "out"
        os.mkfifo(self.path)
        os.mkfifo(self.output)
        self.lines: list[str] = []
        self._reading = os.open(self.output, os.O_RDONLY | os.O_NONBLOCK)

    def open(self) -> int:
        return os.open(self.path, os.O_WRONLY)

    def job(self, **options: Any) -> FileJob:
        return FileJob(self.path, self.output, template="{text}", output_format="jsonl", **options)

    async def next_answer(self) -> str:
        while True:
            try:
                if data := os.read(self._reading, 10_000):
                    return data.decode()
            except BlockingIOError:
                pass
            await asyncio.sleep(0.005)


CONFIG = BatchConfig(llm_provider="mock", provider_options={"latency_s": 0})


@pytest.mark.parametrize(
    ("name", "header", "line"),
    [("in.jsonl", "", '{{"text": "row {0}"}}\n'), ("in.csv", "id,text\n", "{0},row {0}\n")],
)
async def test_each_row_is_answered_and_written_before_the_next_one_comes(
    tmp_path: Path, name: str, header: str, line: str
) -> None:
    pipe = Pipe(tmp_path, name)
    async with asyncio.timeout(20):
        running = asyncio.create_task(run_job(pipe.job(), create_agent(CONFIG), CONFIG))
        writer = await asyncio.to_thread(pipe.open)
        os.write(writer, header.encode())
        for number in range(3):
            os.write(writer, line.format(number).encode())
            assert f"mock answer to: row {number}" in await pipe.next_answer()
        os.close(writer)
        assert (await running).rows_written == 3
    assert not readers()


async def test_the_deadline_holds_while_the_input_is_silent(tmp_path: Path) -> None:
    pipe, config = Pipe(tmp_path), CONFIG.with_options(deadline_s=0.5)
    async with asyncio.timeout(20):
        running = asyncio.create_task(run_job(pipe.job(), create_agent(config), config))
        writer = await asyncio.to_thread(pipe.open)
        os.write(writer, b'{"text": "one"}\n')
        result = await running
    os.close(writer)
    assert (result.rows_written, result.summary.input_unread) == (1, True)
    assert (result.summary.stopped or "").startswith("DeadlineError") and not readers()


async def test_the_deadline_holds_before_the_first_row(tmp_path: Path) -> None:
    pipe, config = Pipe(tmp_path), CONFIG.with_options(deadline_s=0.2)
    with pytest.raises(DeadlineError, match="no row has come"):
        await run_job(pipe.job(), create_agent(config), config)
    assert not readers()


@pytest.mark.parametrize("rows", [0, 1])
async def test_a_job_is_cancelled_while_its_input_is_silent(tmp_path: Path, rows: int) -> None:
    pipe = Pipe(tmp_path)
    running = asyncio.create_task(run_job(pipe.job(), create_agent(CONFIG), CONFIG))
    writer = await asyncio.to_thread(pipe.open)
    if rows:
        os.write(writer, b'{"text": "one"}\n')
        await pipe.next_answer()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    os.close(writer)
    assert not readers()
