"""Arrow files: files and streams, batches cut to size, and what is none."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.feather as feather
import pytest

from kaizen_batch import RecordError, open_records
from kaizen_batch.files import arrow_file

TABLE = pa.table({"a": pa.array(range(10), pa.int16()), "b": [str(n) for n in range(10)]})
ROWS = [{"a": n, "b": str(n)} for n in range(10)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "in.arrow"


def test_files_and_streams_are_read(path: Path, read: Any) -> None:
    for make in (pa.ipc.new_file, pa.ipc.new_stream):
        with pa.OSFile(str(path), "wb") as sink, make(sink, TABLE.schema) as writer:
            writer.write_table(TABLE, max_chunksize=3)
        assert read(path) == ROWS


def test_feather_of_both_compressions_is_read(tmp_path: Path, read: Any) -> None:
    for compression in ("uncompressed", "lz4", "zstd"):
        feather.write_feather(TABLE, str(tmp_path / "in.feather"), compression=compression)
        assert read(tmp_path / "in.feather") == ROWS


def test_a_large_batch_is_cut(path: Path, read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrow_file, "BATCH_BYTES", 30)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, TABLE.schema) as writer:
        writer.write_table(TABLE)
    with open(path, "rb") as stream:  # noqa: PTH123 - as the reader opens it
        sizes = [piece.data.num_rows for piece in arrow_file.ArrowSource(stream).pieces(1024)]
    assert max(sizes) < 10 == sum(sizes)
    assert read(path) == ROWS


@pytest.mark.parametrize(("content", "message"), [(b"FEA1....", "Feather version 1"), (b"ARROW1 no", "damaged")])
def test_what_is_no_arrow_file_is_an_error(path: Path, content: bytes, message: str) -> None:
    path.write_bytes(content)
    with pytest.raises(RecordError, match=message), open_records(path):
        pass
