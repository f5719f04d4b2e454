"""Tables out: rows of batches and rows of values, in order, in bounded memory. Types are in test_parquet.py."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kaizen_batch import open_records, record_writer
from kaizen_batch.files import columnar_writer


@pytest.fixture(autouse=True)
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columnar_writer, "_CHUNK_ROWS", 7)
    monkeypatch.setattr(columnar_writer, "_GROUP_ROWS", 20)


def test_some_rows_of_each_batch_are_copied_in_order(tmp_path: Path) -> None:
    table = pa.table({"n": range(100), "c": pa.array([f"c{n % 5}" for n in range(100)]).dictionary_encode()})
    pq.write_table(table, tmp_path / "in.parquet", row_group_size=30)
    kept = [n for n in range(100) if n % 3 != 1]
    with open_records(tmp_path / "in.parquet") as records, record_writer(tmp_path / "o.parquet", like=records) as out:
        for row in records:
            if row["n"] in kept:
                out.add(row, {"half": row["n"] / 2})
    found = pq.read_table(tmp_path / "o.parquet")
    assert found.select(["n", "c"]).equals(table.take(kept)) and found["half"].to_pylist() == [n / 2 for n in kept]
    assert pq.read_metadata(tmp_path / "o.parquet").num_row_groups > 1


def test_rows_of_batches_and_of_values_mix(tmp_path: Path, read: Any) -> None:
    pq.write_table(pa.table({"n": pa.array([1, 2], pa.int8())}), tmp_path / "in.parquet")
    with open_records(tmp_path / "in.parquet") as records, record_writer(tmp_path / "o.parquet", like=records) as out:
        first, second = records
        out.add(first, {})
        out.write({"n": 7})
        out.add(second, {"late": "x"})
    assert read(tmp_path / "o.parquet") == [
        {"n": 1, "late": None}, {"n": 7, "late": None}, {"n": 2, "late": "x"},
    ]  # fmt: skip
    assert pq.read_schema(tmp_path / "o.parquet").field("n").type == pa.int8()


def test_a_new_column_that_changes_its_type_leaves_the_inputs_columns_alone(tmp_path: Path) -> None:
    table = pa.table({"t": pa.array(range(60), pa.timestamp("ns")), "l": [[n] for n in range(60)]})
    pq.write_table(table, tmp_path / "in.parquet")
    with open_records(tmp_path / "in.parquet") as records, record_writer(tmp_path / "o.parquet", like=records) as out:
        for number, row in enumerate(records):
            out.add(row, {"score": number if number < 40 else f"{number}!"})
    found = pq.read_table(tmp_path / "o.parquet")
    assert found.select(["t", "l"]).equals(pq.read_table(tmp_path / "in.parquet"))
    assert found["score"].to_pylist() == [str(n) for n in range(40)] + [f"{n}!" for n in range(40, 60)]
