"""Parquet: types survive, types are found, types are widened; and all in bounded memory."""

import math
import sys
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kaizen_batch import RecordError, open_records, record_writer
from kaizen_batch.files import columnar_writer

COLUMNS: dict[str, tuple[Any, list[Any]]] = {
    "int": (pa.int64(), [2**53 + 1, None, -(2**63)]),
    "uint": (pa.uint64(), [2**64 - 1, 0, None]),
    "small": (pa.int8(), [1, 2, None]),
    "float": (pa.float64(), [0.1, None, 1e300]),
    "single": (pa.float32(), [0.5, None, 1.5]),
    "half": (pa.float16(), [0.5, None, 1.5]),
    "bool": (pa.bool_(), [True, None, False]),
    "text": (pa.string(), ["ü", None, ""]),
    "large": (pa.large_string(), ["a", None, "b"]),
    "view": (pa.string_view(), ["a", None, "b"]),
    "binary": (pa.binary(), [b"\xff\0", None, b""]),
    "fixed": (pa.binary(2), [b"ab", None, b"cd"]),
    "decimal": (pa.decimal128(10, 2), [Decimal("1.10"), None, Decimal("-0.01")]),
    "date": (pa.date32(), [date(2024, 2, 29), None, date(1, 1, 1)]),
    "moment": (pa.timestamp("us", "UTC"), [datetime(2024, 2, 29, 12, tzinfo=UTC), None, None]),
    "naive": (pa.timestamp("ms"), [datetime(2024, 2, 29, 12, 0, 0, 1000), None, None]),
    "time": (pa.time64("us"), [time(1, 2, 3, 4), None, None]),
    "span": (pa.duration("us"), [timedelta(days=1, microseconds=1), None, None]),
    "category": (pa.dictionary(pa.int32(), pa.string()), ["a", None, "a"]),
    "uuid": (pa.uuid(), [UUID(int=7), None, UUID(int=2**127)]),
    "list": (pa.list_(pa.int16()), [[1, None], None, []]),
    "struct": (pa.struct([("a", pa.int64()), ("b", pa.list_(pa.date32()))]), [{"a": 1, "b": [date(2024, 1, 1)]}] * 3),
    "map": (pa.map_(pa.string(), pa.int32()), [[("a", 1)], None, []]),
    "nothing": (pa.null(), [None, None, None]),
}


def a_file(path: Path, columns: dict[str, tuple[Any, list[Any]]]) -> Path:
    arrays = {name: pa.array(values, kind) for name, (kind, values) in columns.items()}
    pq.write_table(pa.table(arrays), path)
    return path


def through(source: Path, target: Path, **more: Any) -> None:
    with open_records(source) as records, record_writer(target, like=records) as writer:
        for row in records:
            writer.write({**row, **more})


@pytest.mark.parametrize("name", COLUMNS)
def test_every_type_survives_from_parquet_to_parquet(tmp_path: Path, name: str) -> None:
    source = a_file(tmp_path / "in.parquet", {name: COLUMNS[name]})
    through(source, tmp_path / "out.parquet")
    assert pq.read_table(tmp_path / "out.parquet").equals(pq.read_table(source))


def test_categories_of_several_chunks_stay_one_column(tmp_path: Path, small_groups: None) -> None:
    values = [f"label {n // 7}" for n in range(70)]
    source = a_file(tmp_path / "in.parquet", {"a": (pa.dictionary(pa.int32(), pa.string()), values)})
    through(source, tmp_path / "out.parquet")
    table = pq.read_table(tmp_path / "out.parquet")
    assert (table["a"].to_pylist(), str(table.schema.field("a").type)) == (
        values,
        "dictionary<values=string, indices=int32, ordered=0>",
    )


@pytest.mark.parametrize(
    "kind",
    [pa.timestamp("ns"), pa.timestamp("ns", "UTC"), pa.timestamp("ns", "Europe/Berlin"), pa.time64("ns"),
     pa.duration("ns")],
    ids=str,
)  # fmt: skip
def test_nanoseconds_survive_though_python_has_none(tmp_path: Path, kind: Any) -> None:
    values = pa.array([1_700_000_000_123_456_789 % 86_399_999_999_999, None, 1], pa.int64()).cast(kind)
    pq.write_table(pa.table({"a": values}), tmp_path / "in.parquet")
    through(tmp_path / "in.parquet", tmp_path / "out.parquet")
    assert pq.read_table(tmp_path / "out.parquet")["a"].combine_chunks().equals(values)


def test_nanoseconds_inside_of_lists_are_an_error_that_names_the_column(tmp_path: Path, read: Any) -> None:
    pytest.importorskip("pyarrow")
    if "pandas" in sys.modules:
        pytest.skip("pandas has nanoseconds")
    a_file(tmp_path / "in.parquet", {"a": (pa.list_(pa.timestamp("ns")), [[1_700_000_000_123_456_789]])})
    with pytest.raises(RecordError, match="row 1: the column 'a' has nanoseconds inside of lists"):
        read(tmp_path / "in.parquet")


def test_the_footer_says_columns_and_rows_before_the_first_is_read(tmp_path: Path) -> None:
    with open_records(a_file(tmp_path / "in.parquet", COLUMNS)) as records:
        assert (records.columns, records.total, records.rows_read) == (tuple(COLUMNS), 3, 0)
        assert len(list(records)) == 3 == records.rows_read


def test_new_columns_come_after_the_inputs_with_types_of_their_own(tmp_path: Path) -> None:
    source = a_file(tmp_path / "in.parquet", {"a": COLUMNS["small"], "b": COLUMNS["date"]})
    through(source, tmp_path / "out.parquet", label="x", score=0.5, tags=["a"], more={"n": 1})
    schema = pq.read_schema(tmp_path / "out.parquet")
    assert schema.names == ["a", "b", "label", "score", "tags", "more"]
    assert [str(kind) for kind in schema.types] == [
        "int8", "date32[day]", "string", "double", "list<element: string>", "struct<n: int64>"
    ]  # fmt: skip


def test_without_rows_the_inputs_types_stand(tmp_path: Path) -> None:
    source = a_file(tmp_path / "in.parquet", {"a": COLUMNS["small"]})
    with open_records(source) as records, record_writer(tmp_path / "o.parquet", like=records, columns=["b"]):
        pass
    assert pq.read_schema(tmp_path / "o.parquet").types == [pa.int8(), pa.null()]


def test_the_columns_of_a_csv_file_are_text_also_where_they_are_empty(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("a,b\n")
    through(tmp_path / "in.csv", tmp_path / "out.parquet")
    assert pq.read_schema(tmp_path / "out.parquet").types == [pa.string()] * 2


@pytest.fixture
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Row groups of 20 rows, of chunks of 10."""
    monkeypatch.setattr(columnar_writer, "_CHUNK_ROWS", 10)
    monkeypatch.setattr(columnar_writer, "_GROUP_ROWS", 20)


WIDENED: list[tuple[list[Any], list[Any], Any, list[Any]]] = [
    ([None], [7], pa.int64(), [None, 7]),
    ([None], ["x"], pa.string(), [None, "x"]),
    ([1], [2.5], pa.float64(), [1.0, 2.5]),
    ([1.5], [2], pa.float64(), [1.5, 2.0]),
    ([2**53 + 1], [2.5], pa.string(), ["9007199254740993", "2.5"]),
    ([1], ["x"], pa.string(), ["1", "x"]),
    ([True], [1], pa.string(), ["true", "1"]),
    ([1], [2**64], pa.string(), ["1", "18446744073709551616"]),
    ([[]], [[1]], pa.list_(pa.int64()), [[], [1]]),
    ([{"a": 1}], [{"b": "x"}], None, [{"a": 1, "b": None}, {"a": None, "b": "x"}]),
    ([{"a": 1}], [{"a": "x"}], pa.string(), ['{"a": 1}', '{"a": "x"}']),
    ([{}], ["x"], pa.string(), ["{}", "x"]),
    ([["a"]], ["b"], pa.string(), ['["a"]', "b"]),
    ([date(2024, 1, 1)], ["x"], pa.string(), ["2024-01-01", "x"]),
    (["\ud83d"], ["x"], pa.string(), ["\\ud83d", "x"]),
]


@pytest.mark.parametrize("rows_each", [1, 8, 50], ids=["in one chunk", "in one group", "in two parts"])
@pytest.mark.parametrize(("early", "late", "kind", "values"), WIDENED, ids=range(len(WIDENED)))
def test_a_type_that_is_too_narrow_is_widened(
    write: Any, small_groups: None, early: Any, late: Any, kind: Any, values: Any, rows_each: int
) -> None:
    given = [{"a": value} for value in early * rows_each + late * rows_each]
    table = pq.read_table(write("out.parquet", given))
    assert table["a"].to_pylist() == [values[0]] * rows_each + [values[1]] * rows_each
    assert kind is None or table.schema.field("a").type in (kind, pa.list_(pa.field("element", pa.int64())))


def test_a_column_that_comes_late_is_empty_in_the_rows_before(write: Any, read: Any, small_groups: None) -> None:
    rows = [{"a": n} for n in range(70)] + [{"b": "x", "a": 1}] * 70 + [{"c": 1.5}]
    read_back = read(write("out.parquet", rows))
    assert read_back == [{"a": None, "b": None, "c": None, **row} for row in rows]


@pytest.mark.parametrize(
    ("value", "kept"), [(2.5, 2.5), ("x", "x"), ([1], "[1]"), (True, "true"), (1000, 1000), ({"a": 1}, '{"a": 1}')]
)
def test_no_value_is_bent_to_the_type_of_an_input_column(tmp_path: Path, value: Any, kept: Any, read: Any) -> None:
    source = a_file(tmp_path / "in.parquet", {"a": COLUMNS["small"]})
    through(source, tmp_path / "out.parquet", a=value)
    assert [row["a"] for row in read(tmp_path / "out.parquet")] == [kept] * 3


def test_not_a_number_is_no_reason_to_widen(tmp_path: Path) -> None:
    source = a_file(tmp_path / "in.parquet", {"a": (pa.float32(), [math.nan, 0.5, None])})
    through(source, tmp_path / "out.parquet")
    assert pq.read_schema(tmp_path / "out.parquet").types == [pa.float32()]


def test_an_object_without_fields_is_text_where_there_is_none_with(write: Any, read: Any) -> None:
    assert read(write("out.parquet", [{"a": {}}])) == [{"a": "{}"}]


def test_an_input_column_whose_values_no_longer_fit_is_widened_too(tmp_path: Path) -> None:
    source = a_file(tmp_path / "in.parquet", {"a": COLUMNS["small"]})
    through(source, tmp_path / "out.parquet", a="no number")
    assert pq.read_table(tmp_path / "out.parquet")["a"].to_pylist() == ["no number"] * 3


def test_from_parquet_to_the_formats_of_text(tmp_path: Path, read: Any) -> None:
    columns = {name: COLUMNS[name] for name in ("int", "bool", "date", "decimal", "list", "struct")}
    source = a_file(tmp_path / "in.parquet", columns)
    through(source, tmp_path / "out.jsonl")
    assert read(tmp_path / "out.jsonl")[0] == {
        "int": 2**53 + 1, "bool": True, "date": "2024-02-29", "decimal": "1.10", "list": [1, None],
        "struct": {"a": 1, "b": ["2024-01-01"]},
    }  # fmt: skip
    through(source, tmp_path / "out.csv")
    assert read(tmp_path / "out.csv")[0] == {
        "int": "9007199254740993", "bool": "true", "date": "2024-02-29", "decimal": "1.10", "list": "[1, null]",
        "struct": '{"a": 1, "b": ["2024-01-01"]}',
    }  # fmt: skip


def test_names_that_occur_twice_are_refused(tmp_path: Path) -> None:
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    pq.write_table(table, tmp_path / "in.parquet")
    with pytest.raises(RecordError, match="columns occur twice: 'a'"), open_records(tmp_path / "in.parquet"):
        pass


@pytest.mark.parametrize("content", [b"", b"no such thing", b"PAR1" + b"\0" * 100 + b"PAR1"])
def test_what_is_no_parquet_file_is_an_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "in.parquet").write_bytes(content)
    with pytest.raises(RecordError, match="is damaged at its beginning, or is not what its name says") as caught:
        open_records(tmp_path / "in.parquet").__enter__()
    assert caught.value.code == "file_damaged"


def test_a_file_damaged_in_the_middle_is_an_error_with_the_row(tmp_path: Path, write: Any) -> None:
    path = write("in.parquet", ({"a": f"text {n * 7919}"} for n in range(50_000)))
    content = bytearray(path.read_bytes())
    content[len(content) // 3 : len(content) // 3 + 5000] = b"\xff" * 5000
    path.write_bytes(content)
    with (
        pytest.raises(RecordError, match=r"column .a., row group 1, row .* cannot be decoded"),
        open_records(path) as records,
    ):
        list(records)


def test_without_pyarrow_the_command_that_installs_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [name for name in sys.modules if name.partition(".")[0] == "pyarrow"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "in.parquet").touch()
    with pytest.raises(RecordError, match=r"pip install 'kaizen-batch\[parquet\]'") as caught:
        open_records(tmp_path / "in.parquet").__enter__()
    with pytest.raises(RecordError, match=r"pip install 'kaizen-batch\[parquet\]'"):
        record_writer(tmp_path / "out.parquet").__enter__()
    assert caught.value.code == "missing_extra"
    assert [path.name for path in tmp_path.iterdir()] == ["in.parquet"]


# In bounded memory.


def test_row_groups_are_bounded_by_bytes(write: Any) -> None:
    path = write("out.parquet", ({"a": f"{n:>100000}"} for n in range(600)))
    metadata = pq.read_metadata(path)
    assert metadata.num_row_groups >= 3
    assert max(metadata.row_group(n).total_byte_size for n in range(metadata.num_row_groups)) < 24 * 2**20


def test_rows_of_a_large_group_are_decoded_few_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kaizen_batch.files.parquet.BATCH_BYTES", 10_000)
    pq.write_table(pa.table({"a": [f"{n:>1000}" for n in range(1000)]}), tmp_path / "in.parquet", use_dictionary=False)
    with open_records(tmp_path / "in.parquet") as records:
        assert [len(row["a"]) for row in records] == [1000] * 1000
