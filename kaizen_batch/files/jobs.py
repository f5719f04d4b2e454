"""A batch from file to file: rows in, prompts, answers beside the rows, the failed ones apart."""

import logging
import os
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from itertools import islice
from types import TracebackType
from typing import Any, Self

from kaizen_batch.agents import Agent, as_agent
from kaizen_batch.config import RunConfig
from kaizen_batch.errors import ConfigError
from kaizen_batch.events import BatchFinished, BatchProgress, Event, EventSink, Together, wants_calls, wants_items
from kaizen_batch.files import Records, open_records
from kaizen_batch.files.columns import error_columns_of
from kaizen_batch.files.job import FAILED, FileJob, JobResult
from kaizen_batch.files.names import STANDARD, is_stream, path_text, stem_of
from kaizen_batch.files.survey import Counted, CountedAsync, Survey, sampled, surveyed
from kaizen_batch.files.target import Target
from kaizen_batch.files.templates import PromptTemplate, RowAgent
from kaizen_batch.strategies import BatchRun, ParallelBatchStrategy

__all__ = ["FileJob", "JobResult", "run_job"]

logger: logging.Logger = logging.getLogger(__name__)


async def run_job(
    job: FileJob,
    agent: Any,
    config: RunConfig,
    *,
    on_event: EventSink | None = None,
    on_start: Callable[[BatchRun], Any] | None = None,
    on_end: Callable[[JobResult], Any] | None = None,
) -> JobResult:
    """Carry every row of the input through the agent, in constant memory.

    The agent is what ParallelBatchStrategy takes, `config` says how it is run. A file is read twice: before the first
    call its rows are counted and checked, so that a row that cannot be read costs nothing; a stream is read once, and
    such a row ends the job when it comes. The output has the columns of the input, then the output fields
    (`<name>_result` where the input has one of that name), in the order of the input. It appears when every row was
    attempted; an older one stays until then, and also when no row was answered. A job that ends early, for whatever
    reason, leaves the answered rows in `<name>.partial.<suffix>`, which the complete output replaces. With a journal
    the same job resumes where it ended.
    An input named `*.failed.*` that ends with the columns of failed rows is what an earlier job left, and is read
    without them.

    `on_event` gets the end of the run when the output is in place. `on_start` gets the run, `on_end` the result, also
    of a job that an exception ends.

    Raises: ConfigError (wrong columns, one file for two things), RecordError, JournalError; with `on_error="raise"`
    BatchError.
    """
    agent, template = as_agent(agent), _template(job)
    _check_paths(job, config)
    survey = await _survey(job)
    strategy = ParallelBatchStrategy.from_config(config)
    with _Held(on_event) as events:
        with ExitStack() as files:
            rows = _Rows(job, files.enter_context(_open_input(job)), survey)
            _check_columns(template, agent, rows.columns)
            run = strategy.stream(RowAgent(agent, template), rows.items(), on_event=events)
            target = files.enter_context(Target(job, rows, getattr(agent, "output_fields", ()), run, on_end))
            async with run:
                if on_start is not None:
                    on_start(run)
                async for result in run:
                    target.write(result)
        events.complete = True
    return target.result


class _Rows:
    """The rows of a job on their way in; those that wait for their result are kept in `in_flight`."""

    def __init__(self, job: FileJob, records: Records, survey: Survey) -> None:
        self.in_flight: deque[dict[str, Any]] = deque()
        self.records = records
        self._job = job
        self._survey = survey
        names = survey.columns or records.names()
        if stem_of(path_text(job.input)).endswith(FAILED) and (added := error_columns_of(names)):
            records.drop(added)
            names = names[: -len(added)]
        self.columns = names

    def items(self) -> Any:
        """The rows for the strategy, with their number if that is known."""
        rows, total, wanted = islice(self.records, self._job.limit), self._survey.total, self._job.sample
        if wanted is not None and total is not None:
            return CountedAsync(self._kept_of_sample(sampled(rows, wanted, total)), min(wanted, total))
        return self._kept(rows) if total is None else Counted(self._kept(rows), total)

    def _kept(self, rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        keep = self.in_flight.append
        for row in rows:
            keep(row)
            yield row

    async def _kept_of_sample(self, rows: AsyncIterator[dict[str, Any]]) -> AsyncIterator[dict[str, Any]]:
        async for row in rows:
            self.in_flight.append(row)
            yield row


class _Held:
    """Keeps back what says that all is done until the output is in its place; after an error, only the end is told."""

    def __init__(self, sink: EventSink | None) -> None:
        self._tell = Together() if sink is None else sink
        self.wants_calls, self.wants_items = wants_calls(self._tell), wants_items(self._tell)
        self.complete = False
        self._progress: BatchProgress | None = None
        self._finished: BatchFinished | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for event in (self._progress if self.complete else None, self._finished):
            if event is not None:
                try:
                    self._tell(event)
                except Exception:
                    logger.exception("an event sink raised at the end of a job")
                    return

    def __call__(self, event: Event) -> None:
        if isinstance(event, BatchFinished):
            self._finished = event
        elif isinstance(event, BatchProgress) and event.done == event.total:
            self._progress = event
        else:
            self._tell(event)


async def _survey(job: FileJob) -> Survey:
    if is_stream(path_text(job.input)):
        if job.sample is not None:
            raise ConfigError("sample needs a file: a stream cannot be read twice; use limit, or save it first")
        return Survey()
    with _open_input(job) as records:
        return await surveyed(records, job.limit)


def _open_input(job: FileJob) -> Records:
    return open_records(job.input, format=job.input_format, encoding=job.encoding)


def _template(job: FileJob) -> PromptTemplate | None:
    return PromptTemplate(job.template) if isinstance(job.template, str) else job.template


def _check_paths(job: FileJob, config: RunConfig) -> None:
    paths = {
        "input": job.input,
        "output": job.output,
        "failed": job.failed,
        "partial output": job.partial,
        "journal": config.journal,
    }
    seen: dict[str, str] = {}
    for name, path in paths.items():
        text = "" if path is None else path_text(path)
        if name == "partial output" and text == path_text(job.output):
            continue  # a stream
        real = os.path.realpath(text)
        if text == STANDARD:
            real = f"the standard {'input' if name == 'input' else 'output'}"
        elif not text or is_stream(real):
            continue  # a device may be both
        if real in seen:
            raise ConfigError(f"{seen[real]} and {name} are the same file, {text!r}: give each its own")
        seen[real] = name


def _check_columns(template: PromptTemplate | None, agent: Agent, columns: tuple[str, ...]) -> None:
    """Raise ConfigError for what would fail every row."""
    inputs = agent.signature.inputs if agent.signature is not None else {}
    if template is not None and len(inputs) > 1:
        raise ConfigError(
            f"a prompt template makes one text, and the signature takes {', '.join(map(repr, inputs))}: leave out the "
            "template, and the columns of these names are taken"
        )
    if not columns:
        return
    if template is not None:
        template.check(columns)
        return
    missing = [name for name, mark in inputs.items() if mark.default is ... and name not in columns]
    if missing:
        raise ConfigError(
            f"the signature takes {', '.join(map(repr, missing))}, and the rows have "
            f"{', '.join(map(repr, columns[:20]))}: pass a template, such as 'Classify: {{{columns[0]}}}'"
        )
