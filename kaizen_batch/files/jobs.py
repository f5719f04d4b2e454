"""A batch from file to file: rows in, prompts, answers beside the rows, the failed ones apart."""

import logging
import os
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from kaizen_batch.agents import Agent, as_agent
from kaizen_batch.config import RunConfig
from kaizen_batch.errors import ConfigError
from kaizen_batch.events import BatchFinished, BatchProgress, Event, EventSink, Together, wants_calls, wants_items
from kaizen_batch.files import Records, RecordWriter, open_records, record_writer
from kaizen_batch.files.names import STANDARD, is_stream, kind_of, path_text, stem_of
from kaizen_batch.files.survey import Counted, CountedAsync, Survey, sampled, surveyed
from kaizen_batch.files.templates import PromptTemplate, RowAgent
from kaizen_batch.results import BatchSummary, Result, joined, outputs_of
from kaizen_batch.strategies import BatchRun, ParallelBatchStrategy

Paths = str | os.PathLike[str]

ERROR_COLUMNS = ("error_code", "error")
"""What a row that failed has besides its own columns."""

_FAILED = ".failed"

logger: logging.Logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FileJob:
    """Rows from one file, answers into another.

    >>> job = FileJob("tickets.csv", "answers.csv", template=PromptTemplate("Classify: {text}"))

    - `input`, `output`: paths, or `"-"` for a standard stream; the format is what the name says, or `input_format`,
      `output_format`. `encoding` is that of a text input (default: UTF-8, or what its byte-order mark says).
    - `template`: a PromptTemplate, or its text; without one each row goes to the agent as a dict.
    - `failed`: where the rows go that failed or were not attempted, with the columns `error_code` and `error`; default:
      `<output without its suffix>.failed.csv`. There is none if no row failed; an older one is removed.
    - `limit`: only the first rows, so many. `sample`: only so many, drawn evenly from all (or from the first `limit`),
      in the order of the file, the same ones each time.

    Raises: ConfigError.
    """

    input: Paths
    output: Paths
    template: PromptTemplate | str | None = None
    failed: Paths | None = None
    limit: int | None = None
    sample: int | None = None
    input_format: str | None = None
    output_format: str | None = None
    encoding: str | None = None

    def __post_init__(self) -> None:
        source, target = path_text(self.input), path_text(self.output)
        kind_of(source, self.input_format)
        kind_of(target, self.output_format)
        for name in ("limit", "sample"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
                raise ConfigError(f"{name} must be a number of rows, at least 1; given: {value!r}")
        if self.template is not None and not isinstance(self.template, PromptTemplate):
            object.__setattr__(self, "template", PromptTemplate(self.template))
        if self.failed is None:
            object.__setattr__(self, "failed", _beside(source, target))
        kind_of(path_text(self.failed or ""))


@dataclass(frozen=True, slots=True)
class JobResult:
    """What a job did: `rows_read = rows_written + rows_failed`, each of them in `output` or in `failed_output`.

    `failed_output` is None if no row failed. `summary` is that of the run; `summary.stopped` says why it ended before
    its last row, or is None.
    """

    summary: BatchSummary
    rows_read: int
    rows_written: int
    rows_failed: int
    output: str
    failed_output: str | None


async def run_job(
    job: FileJob,
    agent: Any,
    config: RunConfig,
    *,
    on_event: EventSink | None = None,
    on_start: Callable[[BatchRun], Any] | None = None,
) -> JobResult:
    """Carry every row of the input through the agent, in constant memory.

    The agent is what ParallelBatchStrategy takes, `config` says how it is run. A file is read twice: before the first
    call its rows are counted and checked, so that a row that cannot be read costs nothing; a stream is read once, and
    such a row ends the job when it comes. The output has the columns of the input, then the output fields
    (`<name>_result` where the input has one of that name), in the order of the input, and appears when all is done;
    until then, when the job is interrupted, and when not one row was answered, an older one stays. With a journal the
    same job goes on where it ended.
    An input named `*.failed.*` that ends with the columns `error_code` and `error` is taken for what an earlier job
    left, and is read without them.

    `on_event` is told that the run is finished when the output is in its place; `on_start` gets the run.

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
            target = _Target(job, files, rows, agent)
            async with strategy.stream(RowAgent(agent, template), rows.items(), on_event=events) as run:
                if on_start is not None:
                    on_start(run)
                async for result in run:
                    target.write(rows.in_flight.popleft(), result)
            target.keep_old()
        target.remove_old()
        events.complete = True
    return target.result(run.summary)


class _Rows:
    """The rows of a job on their way in; those that wait for their result are kept in `in_flight`."""

    def __init__(self, job: FileJob, records: Records, survey: Survey) -> None:
        self.in_flight: deque[dict[str, Any]] = deque()
        self.records = records
        self._job = job
        self._survey = survey
        names = survey.columns or records.names()
        if stem_of(path_text(job.input)).endswith(_FAILED) and names[-2:] == ERROR_COLUMNS:
            records.drop(ERROR_COLUMNS)
            names = names[:-2]
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


class _Target:
    """The output and the failed rows; the file of these is made when the first of them comes."""

    def __init__(self, job: FileJob, files: ExitStack, rows: _Rows, agent: Agent) -> None:
        self._job = job
        self._files = files
        self._rows = rows
        columns = joined(dict.fromkeys(rows.columns), dict.fromkeys(agent.output_fields))
        self._writer = self._open(job.output, columns, job.output_format)
        self._failed: RecordWriter | None = None

    def write(self, row: dict[str, Any], result: Result) -> None:
        """Write a row with what came of it."""
        error = result["error"]
        if error is None:
            self._writer.write(joined(row, outputs_of(result)))
            return
        failed = joined(row, dict(zip(ERROR_COLUMNS, (error["code"], error["message"]), strict=True)))
        if self._failed is None:
            columns = joined(dict.fromkeys(self._rows.columns), dict.fromkeys(ERROR_COLUMNS))
            self._failed = self._open(self._job.failed or "", columns)
        self._failed.write(failed)

    def keep_old(self) -> None:
        """An output in which no row would stand does not take the place of one that is there."""
        if self._failed is not None and not self._writer.rows_written and Path(path_text(self._job.output)).is_file():
            self._writer.abandon()

    def remove_old(self) -> None:
        """An earlier job's failed rows are no more; those who look would take them for this one's."""
        path = Path(path_text(self._job.failed or ""))
        if self._failed is None and path.is_file():
            with suppress(OSError):
                path.unlink()

    def result(self, summary: BatchSummary) -> JobResult:
        """What was done."""
        written, failed = self._writer.rows_written, self._failed.rows_written if self._failed else 0
        where = path_text(self._job.failed or "") if self._failed else None
        return JobResult(summary, written + failed, written, failed, path_text(self._job.output), where)

    def _open(self, path: Paths, columns: Iterable[str], format: str | None = None) -> RecordWriter:
        writer = record_writer(path, format=format, like=self._rows.records, columns=columns)
        return self._files.enter_context(writer)


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


def _beside(source: str, target: str) -> str:
    """Where failed rows go: beside the output, or the input if that is a stream."""
    where = source if target == STANDARD else target
    return f"{'kaizen-batch' if where == STANDARD else stem_of(where)}{_FAILED}.csv"


def _check_paths(job: FileJob, config: RunConfig) -> None:
    paths = {"input": job.input, "output": job.output, "failed": job.failed, "journal": config.journal}
    seen: dict[str, str] = {}
    for name, path in paths.items():
        text = "" if path is None else path_text(path)
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
