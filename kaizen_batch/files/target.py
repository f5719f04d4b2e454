"""Where the rows of a job go: answered ones to the output, failed ones to a file of their own.

The output gets its name only when every row was attempted. A job that ends early, for whatever reason, leaves the rows
that were answered under the partial name, those included that came after the last one that was read in order.
"""

from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self, cast

from kaizen_batch.errors import KaizenBatchError, RecordError
from kaizen_batch.files.columns import ERROR_COLUMNS, failure_cells, result_cells, result_columns, safe_cells
from kaizen_batch.files.inputs import Paths
from kaizen_batch.files.job import FileJob, JobResult
from kaizen_batch.files.job_rows import JobRows
from kaizen_batch.files.layout import Layout
from kaizen_batch.files.names import is_stream, path_text, written_kind_of
from kaizen_batch.files.rows import Row, Selection
from kaizen_batch.files.writer import RecordWriter
from kaizen_batch.files.written_files import WrittenFiles
from kaizen_batch.results import NOT_ATTEMPTED, ErrorDict, Result, outputs_of
from kaizen_batch.results.texts.advice import why_stopped
from kaizen_batch.strategies import BatchRun


class OutputNames:
    """The columns that fields become: their own name, or `<name>_result` where that is taken.

    A field gets its column once for the job.
    """

    def __init__(self, columns: Iterable[str]) -> None:
        self._taken = set(columns)
        self._names: dict[str, str] = {}
        self._unchanged: set[str] = set()

    def of(self, field: str) -> str:
        """The column of a field."""
        name = self._names.get(field)
        if name is None:
            name = field
            while name in self._taken:
                name = f"{name}_result"
            self._taken.add(name)
            self._names[field] = name
            if name == field:
                self._unchanged.add(field)
        return name

    def all_of(self, fields: Iterable[str]) -> tuple[str, ...]:
        """The columns of several fields."""
        return tuple(map(self.of, fields))

    def renamed(self, cells: dict[str, object]) -> dict[str, object]:
        """Cells under the names of their columns."""
        if cells.keys() <= self._unchanged:
            return cells
        return {self.of(field): value for field, value in cells.items()}


class Target:
    """Writes the results of a run beside their rows, in a `with` block around it; `result` is what it did.

    The file of failed rows is made when the first of them comes. `written` records the files in the journal, if there
    is one. `on_end` gets the result, also after an exception.
    """

    result: JobResult

    def __init__(
        self,
        job: FileJob,
        rows: JobRows,
        run: BatchRun,
        on_end: Callable[[JobResult], object] | None = None,
    ) -> None:
        self._job = job
        self._rows = rows
        self._run = run
        self._on_end = on_end
        self.written: WrittenFiles | None = None
        self._number = 0
        self._files = ExitStack()
        self._failed: RecordWriter | None = None
        self._outputs = OutputNames(rows.columns)
        self._fields = self._outputs.all_of(rows.output_fields)
        self._facts = OutputNames((*rows.columns, *self._fields))
        self._errors = OutputNames(rows.columns)
        self._all = Selection(drop=rows.ignored)
        self._is_stream = is_stream(path_text(job.output))
        self._narrows = rows.selection != Selection()
        added = (*self._fields, *self._facts.all_of(result_columns(job.columns)))
        self._writer = self._open(job.output, added, rows.selection, job.output_format)
        rows.write_skipped = self._write_skipped

    def __enter__(self) -> Self:
        return self

    def write(self, result: Result, *, more_follow: bool = False) -> None:
        """Write the row of the result that the run has yielded last; if no more is there, a stream gets it now."""
        self._rows.in_flight -= 1
        self._write(cast(Row, self._run.inputs), result)
        if self._is_stream and not more_follow:
            self._writer.push()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._publish()
        else:
            # What ended the job is what its caller hears, not that its rows could not be saved either.
            with suppress(KaizenBatchError, OSError):
                self._save_answered(interrupted=not isinstance(error, Exception))
        if self._on_end is not None and hasattr(self, "result"):
            self._on_end(self.result)

    def _publish(self) -> None:
        self._rows.flush_skipped()
        summary = self._run.summary
        complete = summary.stopped is None and not summary.not_attempted
        self._finish(complete=complete)

    def _save_answered(self, *, interrupted: bool) -> None:
        """After an exception: the results that nobody has read are answers all the same."""
        read, later = self._number, set[int]()
        for result, inputs in self._run.unread():
            error, row = result["error"], cast(Row, inputs)
            if error is None or error["code"] not in NOT_ATTEMPTED:
                later.add(row.number)
                self._write(row, result)
        summary = self._run.summary
        complete = interrupted and summary.stopped is None and summary.total == summary.ok + summary.failed > 0
        if complete:
            self._finish(complete=True)
            return
        if interrupted:
            self._fail_rest(read, later)
        self._close(complete=False)

    def _fail_rest(self, read: int, later: set[int]) -> None:
        """Every row without an answer goes to the failed rows, as after a spent budget."""
        _, why = why_stopped(self._run.summary.stopped or "the run was interrupted")
        message = f"the run ended before this row was answered: {why}"
        error = ErrorDict(type="NotAttemptedError", message=message, code="not_attempted", retryable=True)
        for number, row in self._rows.rest(read):
            if number not in later:
                self._fail(row, number, Result({"error": error}))

    def _finish(self, *, complete: bool) -> None:
        self._close(complete=complete)
        if complete:
            _remove(self._job.partial)
        if self._failed is None:
            _remove(self._job.failed or "")  # an earlier job's: it would be taken for this one's

    def _close(self, *, complete: bool) -> None:
        output, written = path_text(self._job.output), self._writer.rows_written
        if not complete and written:
            output = self._job.partial
            self._writer.rename(output)
        elif not written and (not complete or (self._failed is not None and Path(output).is_file())):
            self._writer.abandon()  # an older output is better than one without a row
        failed = self._failed.rows_written if self._failed else 0
        where = path_text(self._job.failed or "") if self._failed else None
        notes = tuple(self._rows.records.notes)
        try:
            self._files.close()
        finally:
            self.result = JobResult(
                self._run.summary,
                written + failed,
                written,
                failed,
                output,
                where,
                complete,
                self._rows.skipped,
                notes,
            )

    def _write(self, row: Row, result: Result) -> None:
        self._number = row.number
        for skipped in row.skipped:
            self._write_skipped(skipped)
        if result["status"] == "ok":
            cells = self._outputs.renamed(outputs_of(result))
            if self._job.columns:
                cells.update(self._facts.renamed(result_cells(self._job.columns, result)))
            self._add(row, safe_cells(cells) if self._job.safe_cells else cells)
            return
        self._fail(row, row.number, result)

    def _fail(self, row: Row, number: int, result: Result) -> None:
        if self._failed is None:
            self._failed = self._open(self._job.failed or "", self._errors.all_of(ERROR_COLUMNS), self._all)
        name = number if self._job.id is None else row.get(self._job.id)
        facts = failure_cells(name, result)
        kept = row.only(self._all) if self._all.drop else row
        self._failed.add(kept, self._errors.renamed(safe_cells(facts) if self._job.safe_cells else facts))

    def _write_skipped(self, row: Row) -> None:
        self._add(row, dict.fromkeys(self._fields))

    def _add(self, row: Row, cells: dict[str, object]) -> None:
        if self._rows.may_have_more:
            _check_names(row, cells, self._rows.columns)
        self._writer.add(row.only(self._rows.selection) if self._narrows else row, cells)

    def _open(
        self, path: Paths, more: tuple[str, ...], selection: Selection, format: str | None = None
    ) -> RecordWriter:
        text = path_text(path)
        kind = written_kind_of(text, format)
        records = self._rows.records
        layout = Layout.like(records, (*selection.of(self._rows.columns), *more), selection)
        # So that the same programs, or the same options, read it again.
        if records.format == kind.format and (path == self._job.failed or self._job.delimiter is None):
            layout = replace(layout, dialect=records.dialect)
        writer = RecordWriter(text, kind, layout)
        writer.before_publishing = self._remember
        return self._files.enter_context(writer)

    def _remember(self, part: Path, path: Path, rows: int) -> None:
        if self.written is not None:
            self.written.add(part, path, rows)


def _check_names(row: Row, cells: dict[str, object], columns: tuple[str, ...]) -> None:
    """Raise RecordError for a column that came too late to give the outputs other names."""
    clash = next((name for name in cells if name in row and name not in columns), None)
    if clash is not None:
        raise RecordError(
            f"a row has the column {clash!r}, which no row before had and which is the name of an output: save the "
            "stream to a file first, so that all columns are known",
            code="new_column",
        )


def _remove(path: Paths) -> None:
    """Remove a file, if it is one."""
    text = path_text(path)
    if Path(text).is_file():
        with suppress(OSError):
            Path(text).unlink()
