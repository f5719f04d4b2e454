"""Arrow tables through a job: every type, damage at every kind of place, and nothing paid before all is checked."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kaizen_batch import BatchConfig, FileJob, JobResult, MockProvider, RecordError, open_records, run_job
from kaizen_batch.agents import create_agent
from tests.files.test_parquet import COLUMNS

MOCK = BatchConfig(llm_provider="mock", max_concurrent=5)
FORMATS = ["parquet", "arrow"]

TYPES: dict[str, Any] = {
    **{name: pa.array(values, kind) for name, (kind, values) in COLUMNS.items()},
    "uint16": pa.array([1, None, 2**16 - 1], pa.uint16()),
    "decimal256": pa.array([Decimal(10**60), None, Decimal(-1)], pa.decimal256(70, 2)),
    "date64": pa.array([0, None, 86_400_000], pa.date64()),
    "seconds": pa.array([0, None, 1], pa.timestamp("s")),
    "nanoseconds": pa.array([1_700_000_000_123_456_789, None, 1], pa.timestamp("ns", "UTC")),
    "time32": pa.array([1, None, 2], pa.time32("ms")),
    "time64ns": pa.array([1, None, 2], pa.time64("ns")),
    "duration_ns": pa.array([1, None, 2], pa.duration("ns")),
    "large_binary": pa.array([b"\xff", None, b""], pa.large_binary()),
    "binary_view": pa.array([b"\xff", None, b""], pa.binary_view()),
    "large_list": pa.array([[1], None, []], pa.large_list(pa.int8())),
    "fixed_list": pa.array([[1.5, 2.5], None, [0.1, 0.2]], pa.list_(pa.float32(), 2)),
    "embedding": pa.array([[0.1, None], [], None], pa.list_(pa.float32())),
    "nested_ns": pa.array([[{"t": 1}], None, []], pa.list_(pa.struct([("t", pa.timestamp("ns"))]))),
    "map_of_lists": pa.array([[("a", [1])], None, []], pa.map_(pa.string(), pa.list_(pa.int64()))),
    "ordered": pa.DictionaryArray.from_arrays(pa.array([2, None, 0], pa.int8()), ["S", "M", "L"], ordered=True),
    "unused_category": pa.DictionaryArray.from_arrays(pa.array([0, 0, None], pa.int8()), ["a", "never"]),
    "json": pa.ExtensionArray.from_storage(pa.json_(pa.string()), pa.array(['{"a": 1.10}', None, "[]"])),
    "bool8": pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, None, 0], pa.int8())),
    "tensor": pa.ExtensionArray.from_storage(
        pa.fixed_shape_tensor(pa.float32(), [2, 2]),
        pa.array([[0, 1, 2, 3], None, [0.1] * 4], pa.list_(pa.float32(), 4))
    ),
    "far": pa.array([2**60, None, 0], pa.timestamp("us")),
    "odd name: {x}": pa.array(["a", None, "b"]),
}  # fmt: skip


def write(path: Path, table: Any, **options: Any) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(table, path, **options)
    else:
        with pa.OSFile(str(path), "wb") as stream, pa.ipc.new_file(stream, table.schema) as writer:
            writer.write_table(table)
    return path


def read(path: Path) -> Any:
    if path.suffix == ".parquet":
        return pq.read_table(path)
    with pa.OSFile(str(path)) as stream:
        return pa.ipc.open_file(stream).read_all()


async def run(source: Path, target: Path, template: str = "{key}", **options: Any) -> tuple[JobResult, int]:
    """A job, and how many calls it made."""
    calls = 0

    class Counting(MockProvider):
        async def complete(self, request: Any) -> Any:
            nonlocal calls
            calls += 1
            return await super().complete(request)

    agent = create_agent(MOCK, None, Counting())
    try:
        return await run_job(FileJob(source, target, template=template, **options), agent, MOCK), calls
    except RecordError as error:
        error.add_note(f"{calls} calls")
        raise


def a_table(names: list[str]) -> Any:
    return pa.table({"key": pa.array(["k0", "k1", "k2"]), **{name: TYPES[name] for name in names}})


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("name", TYPES)
async def test_every_type_passes_through_unchanged(tmp_path: Path, name: str, format: str) -> None:
    table = a_table([name])
    source = write(tmp_path / f"in.{format}", table)
    result, _ = await run(source, tmp_path / f"out.{format}")
    found, before = read(tmp_path / f"out.{format}"), read(source)
    assert result.rows_written == 3
    assert found.column_names == ["key", name, "result"]
    assert found.schema.field(name).equals(before.schema.field(name), check_metadata=True)
    assert found.select(["key", name]).equals(before)


async def test_every_type_that_python_knows_reaches_text_formats_as_its_value(tmp_path: Path) -> None:
    names = [name for name in TYPES if name not in ("far", "binary", "fixed", "large_binary", "binary_view")]
    source = write(tmp_path / "in.parquet", a_table(names))
    await run(source, tmp_path / "out.jsonl")
    first = json.loads((tmp_path / "out.jsonl").read_text().splitlines()[0])
    assert first["fixed_list"] == [1.5, 2.5] and first["embedding"] == [0.1, None]
    assert first["tensor"] == [[0.0, 1.0], [2.0, 3.0]]
    assert first["nanoseconds"] == "2023-11-14 22:13:20.123456789Z"
    assert first["nested_ns"] == [{"t": "1970-01-01 00:00:00.000000001"}]
    assert (first["ordered"], first["uuid"], first["bool8"], first["json"]) == (
        "L", "00000000-0000-0000-0000-000000000007", True, '{"a": 1.10}',
    )  # fmt: skip
    assert first["decimal"] == "1.10" and first["single"] == 0.5


async def test_small_floats_are_their_shortest_text(tmp_path: Path) -> None:
    source = write(tmp_path / "in.parquet", pa.table({"x": pa.array([0.1, 3.3, 16777216], pa.float32())}))
    await run(source, tmp_path / "out.csv", "{x}")
    assert (tmp_path / "out.csv").read_text().splitlines()[1:] == [
        f"{text},mock answer to: {text}" for text in ("0.1", "3.3", "16777216.0")
    ]


@pytest.mark.parametrize("format", FORMATS)
async def test_what_a_file_says_of_itself_is_kept(tmp_path: Path, format: str) -> None:
    frame = pd.DataFrame(
        {"size": pd.Categorical(["L", "S", "M"], ["S", "M", "L"], ordered=True), "key": list("abc")},
        index=pd.Index(["x", "y", "z"], name="row"),
    )
    table = pa.Table.from_pandas(frame)
    fields = [field.with_metadata({"note": "kept"}) for field in table.schema]
    fields[1] = fields[1].with_nullable(False)
    metadata = {**table.schema.metadata, b"huggingface": b'{"info": {}}', b"geo": b'{"version": "1.1.0"}'}
    source = write(tmp_path / f"in.{format}", table.cast(pa.schema(fields, metadata)))
    await run(source, tmp_path / f"out.{format}")
    found = read(tmp_path / f"out.{format}")
    assert found.schema.metadata == read(source).schema.metadata
    assert found.schema.field("size").metadata[b"note"] == b"kept" and not found.schema.field("key").nullable
    back = found.to_pandas()
    assert list(back.index) == ["x", "y", "z"] and back.index.name == "row"
    assert list(back["size"].cat.categories) == ["S", "M", "L"] and back["size"].cat.ordered


async def test_without_a_column_the_metadata_of_pandas_still_fits(tmp_path: Path) -> None:
    frame = pd.DataFrame({"key": list("abc"), "x": [1, 2, 3]}, index=pd.Index(["p", "q", "r"], name="row"))
    source = write(tmp_path / "in.parquet", pa.Table.from_pandas(frame))
    await run(source, tmp_path / "out.parquet", drop=["row"])
    assert list(pd.read_parquet(tmp_path / "out.parquet").columns) == ["key", "x", "result"]


@pytest.mark.parametrize("format", FORMATS)
async def test_dictionaries_that_differ_between_batches_keep_their_values(tmp_path: Path, format: str) -> None:
    values = [f"label {n // 300}" for n in range(3000)]
    chunks = [pa.array(values[start : start + 1000]).dictionary_encode() for start in (0, 1000, 2000)]
    table = pa.table({"key": pa.array([str(n) for n in range(3000)]), "label": pa.chunked_array(chunks)})
    source = tmp_path / "in.parquet"
    with pq.ParquetWriter(source, table.schema) as writer:
        for start in (0, 1000, 2000):
            writer.write_table(table.slice(start, 1000).unify_dictionaries())
    await run(source, tmp_path / f"out.{format}")
    found = read(tmp_path / f"out.{format}")
    assert found["label"].to_pylist() == values and found.schema.field("label").type == table.schema.field("label").type


async def test_failed_rows_keep_their_types_and_are_the_same_rows_again(tmp_path: Path) -> None:
    names = [name for name in TYPES if name != "far"]
    source = write(tmp_path / "in.parquet", a_table(names))
    agent = create_agent(MOCK, None, MockProvider(failures={400: 1.0}))
    await run_job(FileJob(source, tmp_path / "out.parquet", template="{key}"), agent, MOCK)
    failed = tmp_path / "out.failed.parquet"
    assert read(failed).select(["key", *names]).equals(read(source))
    await run(failed, tmp_path / "again.parquet")
    assert read(tmp_path / "again.parquet").drop_columns("result").equals(read(source))


# Damage.


async def refused(source: Path, template: str = "{key}", target: str = "out.parquet") -> str:
    """The error of a job, which made no call."""
    with pytest.raises(RecordError) as caught:
        await run(source, source.parent / target, template)
    assert caught.value.__notes__ == ["0 calls"]
    return str(caught.value)


def two_groups(path: Path, **columns: Any) -> Path:
    table = pa.table({"key": pa.array([f"{n:04}" for n in range(2000)]), **columns})
    pq.write_table(table, path, row_group_size=1000, use_dictionary=False, compression="none")
    return path


async def test_a_damaged_page_of_the_last_row_group_costs_nothing(tmp_path: Path) -> None:
    path = two_groups(tmp_path / "in.parquet", other=pa.array(range(2000)))
    place = pq.read_metadata(path).row_group(1).column(1).data_page_offset
    content = bytearray(path.read_bytes())
    content[place : place + 8] = b"\xff" * 8
    path.write_bytes(content)
    assert "column 'other', row group 2, row 1,001 cannot be decoded" in await refused(path)


async def test_invalid_text_is_named(tmp_path: Path) -> None:
    path = two_groups(tmp_path / "in.parquet")
    content = path.read_bytes()
    path.write_bytes(content.replace(b"1500", b"\xff500"))
    assert "column 'key', row group 2, row 1,501: " in await refused(path)


async def test_a_date_that_python_cannot_have_stops_the_job_only_where_it_is_used(tmp_path: Path) -> None:
    moments = pa.array([0] * 1700 + [2**60] * 300, pa.timestamp("us"))
    path = two_groups(tmp_path / "in.parquet", t=moments)
    assert "column 't', row group 2, row 1,701: " in await refused(path, "{t}")
    assert "column 't', row group 2, row 1,701: " in await refused(path, "{key}", "out.csv")
    result, calls = await run(path, tmp_path / "out.parquet")
    assert (result.rows_written, calls) == (2000, 2000)
    assert read(tmp_path / "out.parquet")["t"].combine_chunks().equals(moments)


async def test_a_footer_that_lies_about_the_rows_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from kaizen_batch.files import parquet

    path = two_groups(tmp_path / "in.parquet")
    real = parquet.ParquetSource._check_footer

    def fewer(self: Any) -> None:
        self.total -= 1
        real(self)

    monkeypatch.setattr(parquet.ParquetSource, "_check_footer", fewer)
    assert "its footer says 1,999 rows, and its row groups 2,000" in await refused(path)


async def test_a_file_that_changes_after_the_survey_ends_the_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kaizen_batch.files import jobs

    path = write(tmp_path / "in.parquet", pa.table({"key": ["a", "b", "c"]}))
    real = jobs.survey_of

    async def then_change(*args: Any) -> Any:
        found = await real(*args)
        write(path, pa.table({"key": ["a", "b"]}))
        return found

    monkeypatch.setattr(jobs, "survey_of", then_change)
    with pytest.raises(RecordError, match="the input has changed while it was read: 3 rows were counted, and 2 came"):
        await run(path, tmp_path / "out.parquet")


async def test_an_encrypted_file_is_called_encrypted(tmp_path: Path) -> None:
    path = write(tmp_path / "in.parquet", pa.table({"key": ["a"]}))
    content = path.read_bytes()
    path.write_bytes(b"PARE" + content[4:-4] + b"PARE")
    message = await refused(path)
    assert "the file is encrypted, and no key can be given here" in message and "damaged" not in message


@pytest.mark.parametrize("format", FORMATS)
async def test_damage_at_any_place_is_an_error_before_any_call_or_does_not_matter(tmp_path: Path, format: str) -> None:
    """Each eighth of the file is overwritten in turn: what the job writes is what pyarrow reads, or nothing is paid."""
    table = pa.table(
        {
            "key": pa.array([f"text {n * 7919}" for n in range(600)]),
            "n": pa.array(range(600)),
            "c": pa.array([f"c{n % 3}" for n in range(600)]).dictionary_encode(),
            "l": pa.array([[n, None] for n in range(600)]),
        }
    )
    whole = write(tmp_path / f"whole.{format}", table).read_bytes()
    outcomes = set()
    for number in range(48):
        place = len(whole) * number // 48
        path = tmp_path / f"in.{format}"
        path.write_bytes(whole[:place] + b"\xa5" * 7 + whole[place + 7 :])
        try:
            await run(path, tmp_path / f"out.{format}")
        except RecordError as error:
            assert error.__notes__ == ["0 calls"], (place, error)
            outcomes.add("refused")
            continue
        assert read(tmp_path / f"out.{format}").drop_columns("result").equals(read(path)), place
        outcomes.add("written")
    assert "refused" in outcomes


async def test_truncated_files_are_refused(tmp_path: Path) -> None:
    whole = two_groups(tmp_path / "whole.parquet").read_bytes()
    for length in (0, 3, 11, len(whole) // 2, len(whole) - 1):
        (tmp_path / "in.parquet").write_bytes(whole[:length])
        await refused(tmp_path / "in.parquet")


def test_a_row_of_all_columns_is_made_of_python_values(tmp_path: Path) -> None:
    path = write(tmp_path / "in.parquet", a_table(["date", "tensor", "embedding"]))
    with open_records(path) as records:
        rows = list(records)
    assert rows[0].keys() == {"key", "date", "tensor", "embedding"} and rows[0]["embedding"] == [0.1, None]
