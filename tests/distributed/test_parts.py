"""A folder with a file for each shard: all of one schema, together the rows of one process."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from kaizen_batch.distributed.parts import _unify, numbered


def test_a_type_that_one_part_has_found_wider_is_that_of_all(tmp_path: Path) -> None:
    paths = [tmp_path / "1.parquet", tmp_path / "2.parquet"]
    pq.write_table(pa.table({"a": [1, 2]}), paths[0])
    pq.write_table(pa.table({"a": [0.5], "b": ["x"]}), paths[1])
    _unify(paths, "parquet")
    tables = [pq.read_table(path) for path in paths]
    assert tables[0].schema.equals(tables[1].schema)
    assert tables[0]["a"].to_pylist() == [1.0, 2.0] and tables[0]["b"].to_pylist() == [None, None]


def test_a_part_has_its_number_before_the_suffix() -> None:
    assert numbered("answers/part.csv.gz", 3) == "answers/part-0003.csv.gz"
