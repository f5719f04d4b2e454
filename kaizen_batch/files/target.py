"""Where the rows of a job go: answered ones to the output, failed ones to a file of their own.

The output gets its name only when every row was attempted. A job that ends early, for whatever reason, leaves the rows
that were answered under the partial name, those included that came after the last one that was read in order.
"""

from collections import deque
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from kaizen_batch.errors import KaizenBatchError
from kaizen_batch.files.columns import failure_cells, failure_columns, result_cells, result_columns
from kaizen_batch.files.job import FileJob, JobResult, Paths
from kaizen_batch.files.names import path_text
from kaizen_batch.files.reader import Records
from kaizen_batch.files.writer import RecordWriter, record_writer
from kaizen_batch.results import Result, joined, outputs_of
from kaizen_batch.strategies import BatchRun


class Rows(Protocol):
    """The input: its columns, and the rows that were read and have no result yet, in order."""

    records: Records
    columns: tuple[str, ...]
    in_flight: deque[dict[str, Any]]


class Target:
    """Writes the results of a run beside their rows, in a `with` block around it; `result` is what it did.

    The file of failed rows is made when the first of them comes. `on_end` gets the result, also after an exception.
    """

    result: JobResult

    def __init__(
        self,
        job: FileJob,
        rows: Rows,
        output_fields: Iterable[str],
        run: BatchRun,
        on_end: Callable[[JobResult], Any] | None = None,
    ) -> None:
        self._job = job
        self._rows = rows
        self._run = run
        self._on_end = on_end
        self._taken = 0
        self._files = ExitStack()
        self._failed: RecordWriter | None = None
        added = dict.fromkeys([*output_fields, *result_columns(job.columns)])
        columns = joined(dict.fromkeys(rows.columns), added)
        self._writer = self._open(job.output, columns, job.output_format)

    def __enter__(self) -> Self:
        return self

    def write(self, result: Result) -> None:
        """Write the next row with its result."""
        self._taken += 1
        self._write(self._rows.in_flight.popleft(), result, self._taken)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._publish()
        else:
            # What ended the job is what its caller hears, not that its rows could not be saved either.
            with suppress(KaizenBatchError, OSError):
                self._save_answered()
        if self._on_end is not None and hasattr(self, "result"):
            self._on_end(self.result)

    def _publish(self) -> None:
        summary = self._run.summary
        complete = summary.stopped is None and not summary.not_attempted
        self._close(complete=complete)
        if complete:
            _remove(self._job.partial)
        if self._failed is None:
            _remove(self._job.failed or "")  # an earlier job's: it would be taken for this one's

    def _save_answered(self) -> None:
        """After an exception: the results that nobody has read are answers all the same."""
        first = self._taken
        for result in self._run.unread():
            error = result["error"]
            if error is None or error["code"] != "not_attempted":
                index = result["index"]
                self._write(self._rows.in_flight[index - first], result, index + 1)
        self._close(complete=False)

    def _close(self, *, complete: bool) -> None:
        output, written = path_text(self._job.output), self._writer.rows_written
        if not complete and written:
            output = self._job.partial
            self._writer.rename(output)
        elif not written and (not complete or (self._failed is not None and Path(output).is_file())):
            self._writer.abandon()  # an older output is better than one without a row
        failed = self._failed.rows_written if self._failed else 0
        where = path_text(self._job.failed or "") if self._failed else None
        try:
            self._files.close()
        finally:
            self.result = JobResult(self._run.summary, written + failed, written, failed, output, where, complete)

    def _write(self, row: dict[str, Any], result: Result, number: int) -> None:
        if result["status"] == "ok":
            cells = outputs_of(result)
            if self._job.columns:
                cells = joined(cells, result_cells(self._job.columns, result))
            self._writer.write(joined(row, cells))
            return
        if self._failed is None:
            self._failed = self._open(self._job.failed or "", failure_columns(self._rows.columns))
        name = number if self._job.id is None else row.get(self._job.id)
        self._failed.write(joined(row, failure_cells(name, result)))

    def _open(self, path: Paths, columns: Iterable[str], format: str | None = None) -> RecordWriter:
        writer = record_writer(path, format=format, like=self._rows.records, columns=columns)
        return self._files.enter_context(writer)


def _remove(path: Paths) -> None:
    """Remove a file, if it is one."""
    text = path_text(path)
    if Path(text).is_file():
        with suppress(OSError):
            Path(text).unlink()
