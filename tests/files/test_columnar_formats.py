"""Parquet and Arrow, as the writer of tables needs them: what is written is what is read back."""

from pathlib import Path

import pyarrow as pa
import pytest

from kaizen_batch.files.columnar_formats import ArrowFormat, ColumnarFormat, ParquetFormat


@pytest.mark.parametrize("format", [ParquetFormat(), ArrowFormat()], ids=["parquet", "arrow"])
def test_tables_come_back(tmp_path: Path, format: ColumnarFormat) -> None:
    first = pa.table({"a": [1, 2], "c": pa.array(["x", "y"]).dictionary_encode()})
    second = pa.table({"a": [3], "c": pa.array(["z"]).dictionary_encode()})
    with (tmp_path / "part").open("wb") as stream:
        writer = format.writer(stream, first.schema)
        writer.write_table(first)
        writer.write_table(second)
        writer.close()
    batches = list(format.batches(tmp_path / "part", None, 10))
    assert [row for batch in batches for row in batch.to_pylist()] == [*first.to_pylist(), *second.to_pylist()]
    assert next(format.batches(tmp_path / "part", ["a"], 10)).schema.names == ["a"]
