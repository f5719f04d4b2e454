"""What is known of an output's columns before its first row."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from kaizen_batch import open_records
from kaizen_batch.files.layout import Layout
from kaizen_batch.files.rows import Selection


def test_columns_of_text_are_text_and_new_ones_are_unknown(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("a,b\n1,2\n")
    with open_records(tmp_path / "in.csv") as records:
        layout = Layout.like(records, ("result",), Selection(drop=("b",)))
    assert layout.columns == ("a", "result") and layout.arrow_types() == {"a": pa.string()}
    assert layout.arrow_schema({"a": pa.string(), "result": None}).types == [pa.string(), pa.null()]


def test_a_column_keeps_what_its_field_says_unless_its_type_changed(tmp_path: Path) -> None:
    schema = pa.schema(
        [pa.field("a", pa.int8(), nullable=False, metadata={"unit": "m"}), pa.field("b", pa.string())],
        metadata={"origin": "test"},
    )
    pq.write_table(pa.table({"a": pa.array([1], pa.int8()), "b": ["x"]}, schema=schema), tmp_path / "in.parquet")
    with open_records(tmp_path / "in.parquet") as records:
        layout = Layout.like(records)
    same = layout.arrow_schema({"a": pa.int8(), "b": pa.string()})
    assert not same.field("a").nullable and same.metadata[b"origin"] == b"test"
    assert layout.arrow_schema({"a": pa.string(), "b": pa.string()}).field("a").nullable


def test_the_metadata_of_pandas_names_only_columns_that_stay(tmp_path: Path) -> None:
    table = pa.table({"a": [1], "i": [2]}).replace_schema_metadata(
        {"pandas": json.dumps({"index_columns": ["i"], "columns": [{"name": "a"}, {"name": "i", "field_name": "i"}]})}
    )
    pq.write_table(table, tmp_path / "in.parquet")
    with open_records(tmp_path / "in.parquet") as records:
        schema = Layout.like(records, (), Selection(drop=("i",))).schema
    assert json.loads(schema.metadata[b"pandas"]) == {"index_columns": [], "columns": [{"name": "a"}]}


def test_without_an_input_there_are_only_new_columns() -> None:
    assert Layout.like(None, ("a",)) == Layout(("a",))
