"""A batch from file to file: rows in, prompts, answers beside the rows, failed rows into a file of their own."""

import asyncio
import logging
import os
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager, nullcontext
from functools import partial
from typing import Protocol

from kaizen_batch.agents import Agent, AgentLike, as_agent
from kaizen_batch.config import Mode, RunConfig
from kaizen_batch.errors import ConfigError, DeadlineError
from kaizen_batch.events import EventSink, Sinks
from kaizen_batch.files.deferred_events import DeferredEvents
from kaizen_batch.files.inputs import expanded
from kaizen_batch.files.job import FileJob, JobResult
from kaizen_batch.files.job_rows import JobRows, check_agent, is_read_once, open_input, survey_of
from kaizen_batch.files.names import BATCH_LINES, STANDARD, is_stream, path_text, written_kind_of
from kaizen_batch.files.openai_batch import RequestLines
from kaizen_batch.files.rendering import config_and_rendering, rendered_as
from kaizen_batch.files.row_agent import RowAgent
from kaizen_batch.files.stream_reader import StreamReader
from kaizen_batch.files.survey import Survey
from kaizen_batch.files.target import Target
from kaizen_batch.files.written_files import check_replacing, remembering
from kaizen_batch.observers.progress import progress_sink
from kaizen_batch.results import BatchSummary
from kaizen_batch.strategies import BatchRun, ParallelBatchStrategy
from kaizen_batch.strategies.batches import Input

__all__ = ["FileJob", "JobResult", "run_job"]

logger: logging.Logger = logging.getLogger(__name__)


class Executor(Protocol):
    """Runs a job elsewhere, such as RayExecutor on a cluster."""

    async def run_job(
        self,
        job: FileJob,
        agent: AgentLike,
        config: RunConfig,
        *,
        on_event: EventSink | None = None,
        on_end: Callable[[JobResult], object] | None = None,
    ) -> JobResult:
        """What the function `run_job` does."""


async def run_job(
    job: FileJob,
    agent: AgentLike,
    config: RunConfig,
    *,
    strategy: ParallelBatchStrategy | None = None,
    on_event: EventSink | None = None,
    on_start: Callable[[BatchRun], object] | None = None,
    on_end: Callable[[JobResult], object] | None = None,
    progress: bool = False,
    mode: Mode | None = None,
    survey: Survey | None = None,
    executor: Executor | None = None,
) -> JobResult:
    """Process every row of the input, in constant memory.

    The agent is what ParallelBatchStrategy takes, `config` says how it is run, `strategy` by what (default: a
    ParallelBatchStrategy). A file is read twice: before the first call its rows are counted and checked, so that a row
    that cannot be read is not billed; a stream is read once, and such a row ends the job when it comes. The output has
    the columns of the input, then the output fields (`<name>_result` where the input has one of that name), in the
    order of the input. It appears when every row was attempted; an older one stays until then, and also when no row was
    answered. A job that ends early, for whatever reason, leaves the answered rows in `<name>.partial.<suffix>`, which
    the complete output replaces. With a journal the same job resumes where it stopped.
    An input named `*.failed.*` that ends with the columns of failed rows is what an earlier job left, and is read
    without them.

    `mode` takes the place of the one in `config`. In batch mode a job waits for the provider, up to a day; with
    `detach` it returns at once, and `summary.waiting` counts rows whose answers the same job collects later.

    `on_event` gets the end of the run when the output is in place. `on_start` gets the run, `on_end` the result, also
    of a job that an exception ends. `progress` shows the progress, until the output is in place. `survey` is what an
    earlier reading of the input has found, which is not done again then. `executor` runs the job on many
    processes or machines; `strategy`, `on_start` and `survey` are not for it.

    Raises: ConfigError (wrong columns, one file for two things, a file that `job.overwrite` spares), RecordError,
    JournalError; with `on_error="raise"` BatchError.
    """
    if executor is not None:
        _check_executor(strategy, on_start)
        start = partial(executor.run_job, job, agent, _in_mode(config, mode), on_end=on_end)
        return await _showing(progress, on_event, start)
    agent = as_agent(agent)
    agent = RequestLines(agent) if job.input_format == BATCH_LINES else agent
    _check_paths(job, config)
    check_agent(job.prompt_template, agent, ())
    config, rendering = config_and_rendering(config if mode is None else config.with_mode(mode))
    survey = await _known_or_surveyed(survey, job, agent, rendering)
    check_replacing(job, config.journal, survey.at_most(job.sample))
    strategy = ParallelBatchStrategy.from_config(config) if strategy is None else strategy.configured(config)
    asked = RowAgent(agent, rendered_as(job.prompt_template, rendering), on_missing=job.on_missing, id=job.id)
    display = progress_sink() if progress else None
    sink = _together(on_event, display)
    resolved = await strategy.resolve(asked, _opener(job, asked, survey, rendering), total=survey.total, on_event=sink)
    if resolved.waiting:
        return _waiting(job, resolved.waiting, on_end)
    async with AsyncExitStack() as stack:
        stack.enter_context(display or nullcontext())
        events = stack.enter_context(DeferredEvents(sink))
        resolved.agent.watcher = events.watching(resolved.agent.watcher)
        with ExitStack() as files:
            rows, reader = await _opened(
                job, config, files, lambda: JobRows(job, agent, files.enter_context(open_input(job, rendering)), survey)
            )
            _log_notes(rows)
            run = strategy.stream_resolved(resolved, rows.items(reader))
            target = files.enter_context(Target(job, rows, run, on_end))
            target.written = await remembering(config.journal, stack)
            async with run:
                if on_start is not None:
                    on_start(run)
                async for result in run:
                    target.write(result, more_follow=run.has_next)
        events.complete = True
    return target.result


def _check_executor(strategy: object, on_start: object) -> None:
    if strategy is not None or on_start is not None:
        raise ConfigError("an executor's workers have strategies of their own: leave out strategy and on_start")


def _in_mode(config: RunConfig, mode: Mode | None) -> RunConfig:
    """The config in another mode, if one is given, and still of its own class."""
    return config if mode is None else config.model_copy(update={"mode": mode})


async def _showing(progress: bool, on_event: EventSink | None, start: Callable[..., Awaitable[JobResult]]) -> JobResult:
    """Start a job elsewhere, and show its progress if that is wanted."""
    display = progress_sink() if progress else None
    with display or nullcontext():
        return await start(on_event=_together(on_event, display))


def _log_notes(rows: JobRows) -> None:
    for note in rows.records.notes:
        logger.warning("%s: %s", rows.records.inputs.name, note)


def _together(on_event: EventSink | None, display: EventSink | None) -> EventSink | None:
    """One sink of two that may not be there."""
    if on_event is None or display is None:
        return on_event or display
    return Sinks(on_event, display)


def _opener(job: FileJob, asked: Agent, survey: Survey, rendering: int) -> Input:
    """Opens the rows of a job once more, without keeping those that wait for their result."""

    @contextmanager
    def opened() -> Iterator[Iterable[object] | AsyncIterable[object]]:
        if survey.total is None:
            raise ConfigError("batch mode reads its input more than once: save the stream to a file first")
        with open_input(job, rendering) as records:
            yield JobRows(job, asked, records, survey).unanswered()

    return opened


def _waiting(job: FileJob, rows: int, on_end: Callable[[JobResult], object] | None) -> JobResult:
    """The result of a job that leaves its rows in batches."""
    summary = BatchSummary(total=rows, not_attempted=rows, waiting=rows)
    result = JobResult(summary, 0, 0, 0, path_text(job.output), None, complete=False)
    if on_end is not None:
        on_end(result)
    return result


async def _known_or_surveyed(known: Survey | None, job: FileJob, agent: Agent, rendering: int) -> Survey:
    return known or await survey_of(job, agent, output_format_of(job), rendering)


def output_format_of(job: FileJob) -> str:
    """The format of the output."""
    return written_kind_of(path_text(job.output), job.output_format).format


async def _opened(
    job: FileJob, config: RunConfig, files: ExitStack, rows: Callable[[], JobRows]
) -> tuple[JobRows, StreamReader | None]:
    """The rows, and the reader of a stream, which may keep us waiting. Raises: DeadlineError."""
    if not is_read_once(job):
        return rows(), None
    reader, seconds = StreamReader(), config.deadline_s
    try:
        async with asyncio.timeout(seconds):
            opened = await reader.call(rows)
    except TimeoutError:
        raise DeadlineError(f"the {seconds:g} s of the batch are over, and no row has come from the input") from None
    files.callback(reader.close)  # before what it reads
    return opened, reader


def _check_paths(job: FileJob, config: RunConfig) -> None:
    """Raise ConfigError for one file in two roles; a device may have both."""
    seen: dict[str, str] = {}
    for name, path in _roles(job, config):
        real = (
            f"the standard {'input' if name == 'input' else 'output'}" if path == STANDARD else os.path.realpath(path)
        )
        if path != STANDARD and is_stream(real):
            continue
        if real in seen:
            raise ConfigError(f"{seen[real]} and {name} are the same file, {path!r}: give each its own")
        seen[real] = name


def _roles(job: FileJob, config: RunConfig) -> Iterator[tuple[str, str]]:
    """The files of a job, each with what it is."""
    output = path_text(job.output)
    yield from (("input", path) for path in expanded(job.input, job.glob, job.input_format).paths)
    yield "output", output
    yield "failed", path_text(job.failed or "")
    if job.partial != output:  # for a stream they are the same
        yield "partial output", job.partial
    if config.journal is not None:
        yield "journal", path_text(config.journal)
