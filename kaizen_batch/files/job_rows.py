"""The rows of a job on their way in."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any

from kaizen_batch.agents import Agent
from kaizen_batch.errors import ConfigError, RecordError
from kaizen_batch.files.columns import error_columns_of
from kaizen_batch.files.inputs import expanded
from kaizen_batch.files.job import FAILED, FileJob
from kaizen_batch.files.names import is_stream, stem_of
from kaizen_batch.files.options import RENDERING
from kaizen_batch.files.reader import Records
from kaizen_batch.files.rows import Row, Selection
from kaizen_batch.files.stream_reader import StreamReader
from kaizen_batch.files.survey import MOST_COLUMNS, AsyncSizedRows, SizedRows, Survey, count_skipped, sampled, surveyed
from kaizen_batch.files.templates import PromptTemplate
from kaizen_batch.strategies.batches import numbered

_ARROW = ("parquet", "arrow")
_MESSAGES = ("messages",)
_MOST_REST = 200_000  # rows that are read again after an interruption, which takes a second or two


def open_input(job: FileJob, rendering: int = RENDERING) -> Records:
    """The input of a job. Raises: ConfigError."""
    return Records(job.input, job.input_format, job, rendering)


def is_read_once(job: FileJob) -> bool:
    """Whether the input is a stream, which cannot be surveyed."""
    return any(is_stream(path) for path in expanded(job.input, job.glob, job.input_format).paths)


def used_columns(job: FileJob, agent: Agent, columns: tuple[str, ...]) -> tuple[str, ...] | None:
    """The columns that the agent sees; None for all."""
    template = job.prompt_template
    if template is not None:
        found = template.used(columns)
    elif agent.signature is not None:
        found = tuple(name for name in agent.signature.inputs if name in columns) or _MESSAGES
    else:
        return None
    own = () if job.id is None else (job.id,)
    return tuple(name for name in dict.fromkeys((*found, *own)) if name in columns)


def in_range(job: FileJob, records: Records) -> Iterator[Row]:
    """The rows of the job's range, as far as `limit` lets them."""
    start, stop = job.rows or (0, None)
    if start:
        records.skip(start)
    rows = records if stop is None else islice(records, stop - start)
    return islice(rows, job.limit)


async def survey_of(job: FileJob, agent: Agent, output_format: str, rendering: int) -> Survey:
    """Read the input once, if it can be read twice. Raises: RecordError, ConfigError."""
    if is_read_once(job):
        if job.sample is not None:
            raise ConfigError(
                "sample needs a file: a stream cannot be read twice; use limit, or save it to a file first"
            )
        return Survey()
    used: tuple[str, ...] | None = None
    with open_input(job, rendering) as records:
        if records.columns is not None:
            check_columns(job, agent, records.columns)
            used = used_columns(job, agent, records.columns)
        converted = records.columns if used is None or output_format not in _ARROW else used
        if job.rows is not None and records.schema is None:
            survey = await surveyed(records, rows=in_range(job, records))
        else:
            survey = _within(job.rows, await surveyed(records, limit=_last(job), used=converted or ()))
    return replace(survey, skipped=await skipped_in(job, agent, rendering))


async def skipped_in(job: FileJob, agent: Agent, rendering: int, place: tuple[int, int] | None = None) -> int:
    """How many of the job's rows will not be asked."""
    skips = skips_of(job)
    if skips is None:
        return 0
    with open_input(job, rendering) as records:
        records.place = place
        records.use(None if records.columns is None else used_columns(job, agent, records.columns))
        return await count_skipped(records, in_range(job, records), skips)


def _last(job: FileJob) -> int | None:
    """How many rows have to be read for those of the job."""
    if job.rows is None:
        return job.limit
    start, stop = job.rows
    return stop if job.limit is None else min(stop, start + job.limit)


def _within(rows: tuple[int, int] | None, survey: Survey) -> Survey:
    """What a survey of all rows up to the last says of a range of them."""
    if rows is None or survey.total is None:
        return survey
    return replace(survey, total=max(0, survey.total - rows[0]))


def skips_of(job: FileJob) -> Callable[[Mapping[str, object]], bool] | None:
    """The test for rows that are written without being asked."""
    template = job.prompt_template
    return template.is_empty if job.on_missing == "skip" and template is not None else None


class JobRows:
    """The rows of a job; `in_flight` counts those that wait for their result, which the run keeps.

    Rows that are not asked wait with the next that is; `write_skipped` takes them at once if none is in flight.
    """

    def __init__(self, job: FileJob, agent: Agent, records: Records, survey: Survey) -> None:
        self.records = records
        records.place = survey.place
        self.output_fields: tuple[str, ...] = agent.output_fields
        self.in_flight: int = 0
        self.skipped: int = 0
        self.write_skipped: Callable[[Row], None] = lambda row: None
        self._job = job
        self._survey = survey
        self._skips = skips_of(job)
        # The survey of a file knows all names; of a JSON stream only those of the first row are known.
        every_name = survey.total is not None and len(survey.columns) < MOST_COLUMNS
        self.may_have_more: bool = records.columns is None and not every_name
        self._held: list[Row] = []
        self.columns: tuple[str, ...]
        self.ignored: tuple[str, ...]
        self.columns, self.ignored = _without_errors(records, survey.columns or records.names())
        if self.columns or survey.total is not None:
            check_columns(job, agent, self.columns)
        self.selection: Selection = Selection(job.selection.select, (*job.selection.drop, *self.ignored))
        self._used = used_columns(job, agent, self.columns) if records.schema is not None else None
        records.use(self._used)

    def items(self, reader: StreamReader | None = None) -> Any:
        """The rows for the strategy, with their number if that is known; of a stream, read in the reader's thread."""
        survey, wanted = self._survey, self._job.sample
        rows = in_range(self._job, self.records)
        if wanted is not None and survey.total is not None:
            drawn = sampled(rows, wanted, survey.total, self._job.seed)
            return AsyncSizedRows(self._asked_of_sample(drawn), min(wanted, survey.total))
        if survey.total is None:
            return self._asked(rows) if reader is None else self._asked_of_stream(reader.rows(self._numbered(rows)))
        asked, size = self._asked(self._counted(rows, survey.total)), survey.total - survey.skipped
        return SizedRows(asked, size) if size else asked  # the engine does not read what says it is empty

    async def unanswered(self) -> AsyncIterator[object]:
        """The rows that are asked, without keeping them: nobody waits for their results here."""
        async for _, row in numbered(self.items()):
            self.in_flight = 0
            yield row

    def rest(self, after: int) -> Iterator[tuple[int, Row]]:
        """The rows behind a number, read again, with their numbers; none of a stream, a sample or a shard."""
        total, job = self._survey.total, self._job
        if total is None or total - after > _MOST_REST or job.sample is not None or job.rows is not None:
            return
        with open_input(self._job, self.records.rendering) as records:
            records.use(self._used)
            for row in islice(records, after, total):
                for name in self.ignored:
                    row.pop(name, None)
                if self._skips is None or not self._skips(row):
                    yield records.rows_read, row

    def flush_skipped(self) -> None:
        """Write the rows at the end that are not asked."""
        held, self._held = self._held, []
        for row in held:
            self.write_skipped(row)

    def _counted(self, rows: Iterator[Row], total: int) -> Iterator[Row]:
        number = 0
        for row in rows:
            number += 1
            yield row
        if number != total:
            raise RecordError(
                f"the input has changed while it was read: {total:,} rows were counted, and {number:,} came; run again",
                code="file_changed",
            )

    def _asked(self, rows: Iterator[Row]) -> Iterator[Row]:
        for row in rows:
            if self._is_asked(row, self.records.rows_read):
                yield row

    def _numbered(self, rows: Iterator[Row]) -> Iterator[tuple[Row, int]]:
        for row in rows:
            yield row, self.records.rows_read

    async def _asked_of_stream(self, rows: AsyncIterator[tuple[Row, int]]) -> AsyncIterator[Row]:
        async for row, number in rows:
            if self._is_asked(row, number):
                yield row

    async def _asked_of_sample(self, rows: AsyncIterator[Row]) -> AsyncIterator[Row]:
        async for row in rows:
            if self._is_asked(row, self.records.rows_read):
                yield row

    def _is_asked(self, row: Row, number: int) -> bool:
        for name in self.ignored:
            row.pop(name, None)
        if self._skips is not None and self._skips(row):
            self.skipped += 1
            self._held.append(row)
            if not self.in_flight:
                self.flush_skipped()
            return False
        # A list of its own: rows that are held later come before another row.
        row.number, row.skipped = number, list(self._held)
        if self._held:
            self._held = []
        self.in_flight += 1
        return True


def check_columns(job: FileJob, agent: Agent, columns: tuple[str, ...]) -> None:
    """Raise ConfigError for what would fail every row."""
    job.selection.check(columns)
    if job.id is not None and job.id not in columns:
        raise ConfigError(f"id names the column {job.id!r}, and the rows have {', '.join(map(repr, columns[:20]))}")
    check_agent(job.prompt_template, agent, columns)


def check_agent(template: PromptTemplate | None, agent: Agent, columns: tuple[str, ...]) -> None:
    """Raise ConfigError if template and signature cannot work together, or with these columns (none: not known)."""
    inputs: Mapping[str, Any] = {} if agent.signature is None else agent.signature.inputs
    if template is not None:
        _check_template(template, inputs)
        if columns:
            template.check(columns)
    elif columns and ("messages" not in columns or not inputs.keys().isdisjoint(columns)):
        _check_inputs(inputs, columns)


def _check_template(template: PromptTemplate, inputs: Mapping[str, Any]) -> None:
    if len(inputs) > 1:
        raise ConfigError(
            f"a prompt template makes one text, and the signature takes {', '.join(map(repr, inputs))}: leave out the "
            "template, and the columns of these names are taken"
        )
    if template.is_rich and not inputs:
        raise ConfigError("a system template, images, files and messages need a model: a function takes the row itself")


def _check_inputs(inputs: Mapping[str, Any], columns: tuple[str, ...]) -> None:
    missing = [name for name, mark in inputs.items() if mark.default is ... and name not in columns]
    if missing:
        raise ConfigError(
            f"the signature takes {', '.join(map(repr, missing))}, and the rows have "
            f"{', '.join(map(repr, columns[:20]))}: pass a template, such as 'Classify: {{{columns[0]}}}'"
        )


def _without_errors(records: Records, columns: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The columns without what an earlier job added to the rows that failed, and those it added."""
    added = error_columns_of(columns) if stem_of(records.inputs.paths[0]).endswith(FAILED) else ()
    return columns[: len(columns) - len(added)], added
