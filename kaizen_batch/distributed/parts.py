"""An output that is a folder with a file for each shard, all of one schema."""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from kaizen_batch.distributed.plan import Plan
from kaizen_batch.files.columnar_formats import ArrowFormat, ParquetFormat
from kaizen_batch.files.job import FileJob, JobResult
from kaizen_batch.files.jobs import output_format_of
from kaizen_batch.files.names import path_text, stem_of
from kaizen_batch.files.objects import is_url, upload
from kaizen_batch.files.survey import Survey
from kaizen_batch.results import BatchSummary

_ROWS = 8192

Write = Callable[..., Awaitable[JobResult]]
"""Runs a job with the survey that it is given."""


async def write_parts(plan: Plan, shards: Iterable[int], job: FileJob, write: Write) -> JobResult:
    """Write a file for each of these shards; `job.output` is the name of a part without its number.

    Those of an object store are written on this machine, since one schema may mean to write a part again.
    """
    output = path_text(job.output)
    if not is_url(output):
        return await _write_here(plan, shards, job, write)
    above, _, name = output.rpartition("/")
    with tempfile.TemporaryDirectory(prefix="kaizen-batch-") as scratch:
        store, _, folder = above.rpartition("/")
        result = await _write_here(plan, shards, replace(job, output=str(Path(scratch, folder, name))), write)
        await asyncio.to_thread(_upload_all, Path(scratch), store)
    failed_output = f"{above}.failed/" if result.failed_output else None
    return replace(result, output=f"{above}/", failed_output=failed_output)


def _upload_all(folder: Path, store: str) -> None:
    for file in sorted(each for each in folder.rglob("*") if each.is_file()):
        upload(file, f"{store}/{file.relative_to(folder)}")


async def _write_here(plan: Plan, shards: Iterable[int], job: FileJob, write: Write) -> JobResult:
    folder = Path(path_text(job.output)).parent
    folder.mkdir(parents=True, exist_ok=True)
    results = []
    for shard in shards:
        survey = Survey(plan.rows_of(shard)[1] - plan.rows_of(shard)[0], plan.columns)
        results.append(await write(_part_of(job, plan, shard), survey=survey))
    if output_format_of(job) in ("parquet", "arrow"):
        _unify([Path(result.output) for result in results if result.rows_written], output_format_of(job))
    return _sum(results, f"{folder}/", complete=len(results) == plan.shards)


def _sum(results: list[JobResult], output: str, *, complete: bool) -> JobResult:
    failed = [result.failed_output for result in results if result.failed_output]
    return JobResult(
        BatchSummary(),
        sum(result.rows_read for result in results),
        sum(result.rows_written for result in results),
        sum(result.rows_failed for result in results),
        output,
        f"{Path(failed[0]).parent}/" if failed else None,
        complete,
    )


def _part_of(job: FileJob, plan: Plan, shard: int) -> FileJob:
    output, failed = path_text(job.output), path_text(job.failed or "")
    folder = Path(f"{Path(output).parent}.failed")
    suffix = failed[len(stem_of(failed)) :]
    folder.mkdir(parents=True, exist_ok=True)
    return replace(
        job,
        rows=plan.rows_of(shard),
        limit=None,
        output=numbered(output, shard),
        failed=str(folder / f"part-{shard:04d}{suffix}"),
    )


def numbered(output: str, shard: int) -> str:
    """The name of a part: `answers/part.csv.gz` is `answers/part-0003.csv.gz`."""
    stem = stem_of(output)
    return f"{stem}-{shard:04d}{output[len(stem) :]}"


def _unify(paths: list[Path], format: str) -> None:
    """Give all tables one schema: a type that one part has found wider is that of all."""
    import pyarrow as pa

    kind: Any = ParquetFormat() if format == "parquet" else ArrowFormat()
    schemas = [_schema_of(path, kind) for path in paths]
    if not schemas:
        return
    wanted = pa.unify_schemas(schemas, promote_options="permissive")
    for path, schema in zip(paths, schemas, strict=True):
        if schema.equals(wanted):
            continue
        new = path.with_name(f".{path.name}.new")
        with new.open("wb") as stream:
            writer = kind.writer(stream, wanted)
            for batch in kind.batches(path, None, _ROWS):
                writer.write_table(_as(wanted, batch))
            writer.close()
        new.replace(path)


def _as(schema: Any, batch: Any) -> Any:
    """A batch with the columns and types of a schema."""
    import pyarrow as pa

    nulls = pa.nulls(batch.num_rows)
    columns = [batch.column(name) if name in batch.schema.names else nulls for name in schema.names]
    return pa.table([column.cast(field.type) for column, field in zip(columns, schema, strict=True)], schema=schema)


def _schema_of(path: Path, kind: Any) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if isinstance(kind, ParquetFormat):
        return pq.read_schema(path)
    with pa.memory_map(str(path)) as stream:
        return pa.ipc.open_file(stream).schema
