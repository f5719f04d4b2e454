"""Compression, encodings, standard streams, and files that are not there."""

import io
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from kaizen_batch import ConfigError, RecordError, open_records

ROWS = [{"a": str(n), "b": f"text {n} ü 🙂"} for n in range(2000)]
SUFFIXES = ["", ".gz", ".bz2", ".xz", ".zst"]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("format", ["csv", "tsv", "jsonl"])
def test_every_compression_of_every_text_format(write: Any, read: Any, format: str, suffix: str) -> None:
    path = write(f"a.{format}{suffix}", ROWS)
    assert read(path) == ROWS
    plain = write(f"b.{format}", ROWS)
    assert (path.read_bytes() == plain.read_bytes()) is (suffix == "")


@pytest.mark.parametrize("suffix", SUFFIXES[1:])
def test_a_file_of_several_compressed_pieces_is_read_to_its_end(write: Any, read: Any, suffix: str) -> None:
    path = write(f"a.jsonl{suffix}", ROWS)
    path.write_bytes(path.read_bytes() * 2)
    assert read(path) == ROWS * 2


@pytest.mark.parametrize("suffix", SUFFIXES[1:4])
@pytest.mark.parametrize("harm", ["cut", "foreign", "flipped"])
def test_a_damaged_file_is_an_error_and_never_a_shorter_one(write: Any, suffix: str, harm: str) -> None:
    path = write(f"a.jsonl{suffix}", ROWS)
    good = path.read_bytes()
    middle = len(good) // 2
    bad = {"cut": good[:middle], "foreign": b"no such thing", "flipped": good[:middle] + b"\0\xff" + good[middle + 2 :]}
    path.write_bytes(bad[harm])
    with pytest.raises(RecordError) as caught, open_records(path) as records:
        list(records)
    assert caught.value.code in ("file_damaged", "bad_row", "bad_encoding")
    assert "\n" not in str(caught.value)


def test_a_cut_zstandard_file_is_not_a_shorter_one(write: Any) -> None:
    path = write("a.jsonl.zst", ROWS)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(RecordError), open_records(path) as records:
        list(records)


def test_the_same_rows_make_the_same_file(write: Any) -> None:
    assert write("a.csv.gz", ROWS).read_bytes() == write("b.csv.gz", ROWS).read_bytes()


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("format", ["csv", "jsonl"])
def test_a_byte_order_mark_says_the_encoding(tmp_path: Path, read: Any, codec: str, format: str) -> None:
    text = {"csv": "a,b\nü,🙂\n", "jsonl": '{"a": "ü", "b": "🙂"}\n'}[format]
    path = tmp_path / f"in.{format}"
    path.write_bytes(text.encode(codec))
    assert read(path) == [{"a": "ü", "b": "🙂"}]
    for given in (codec, codec.upper()):
        assert read(path, encoding=given) == [{"a": "ü", "b": "🙂"}]


def test_big_endian_is_seen_too_and_utf_8_may_be_said_of_a_file_with_a_mark(tmp_path: Path, read: Any) -> None:
    path = tmp_path / "in.csv"
    path.write_bytes(b"\xfe\xff" + "a\nü\n".encode("utf-16-be"))
    assert read(path) == [{"a": "ü"}]
    path.write_bytes("a\nü\n".encode("utf-8-sig"))
    assert read(path, encoding="utf8") == [{"a": "ü"}]


def test_another_encoding_is_given(tmp_path: Path, read: Any) -> None:
    path = tmp_path / "in.csv"
    path.write_bytes("a\nÄrger €\n".encode("cp1252"))
    assert read(path, encoding="cp1252") == [{"a": "Ärger €"}]
    for wrong in ("cp99999", "base64"):
        with pytest.raises(ConfigError, match=f"no encoding '{wrong}'"):
            read(path, encoding=wrong)


@pytest.mark.parametrize("codec", ["utf-8", "utf-16"])
def test_undecodable_bytes_are_found_in_their_own_row(tmp_path: Path, codec: str) -> None:
    # Far into what is decoded at once, and not the first file in this process that has some.
    lines = [f"{n},x\n" for n in range(1000)]
    bad = {"utf-8": b"7,\xff\n", "utf-16": b"7\0,\0\x00\xdc\n\0"}[codec]
    start = ("a,b\n" + "".join(lines[:700])).encode(codec)
    path = tmp_path / "in.csv"
    path.write_bytes(start + bad + "".join(lines[700:]).encode("utf-16-le" if codec == "utf-16" else codec))
    for _ in range(2):
        with open_records(path) as records, pytest.raises(RecordError, match=r"row 701 \(line 702\): .*not utf-") as e:
            list(records)
        assert (records.rows_read, e.value.code) == (700, "bad_encoding")


@pytest.mark.parametrize("name", ["in.csv", "in.jsonl", "in.parquet", "in.csv.gz", "in.jsonl.zst"])
def test_what_is_not_there_or_is_a_folder_is_said_in_one_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(RecordError, match=rf"there is no file '.*{name}'") as caught, open_records(tmp_path / name):
        pass
    assert caught.value.code == "file_missing"
    (tmp_path / name).mkdir()
    with pytest.raises(ConfigError, match=r"there is no document .* in the folder"), open_records(tmp_path / name):
        pass


def test_a_path_that_no_system_can_have_is_an_error_of_ours() -> None:
    with pytest.raises(RecordError, match="cannot be read"), open_records("a\0b.csv"):
        pass
    with pytest.raises(RecordError, match="cannot be read"), open_records("a" * 5000 + ".csv"):
        pass


# Standard streams.

FILTER = """
from kaizen_batch import open_records, record_writer
import sys
with open_records("-", format=sys.argv[1]) as records, record_writer("-", format=sys.argv[2], like=records) as writer:
    for row in records:
        writer.write(row)
print("and our own stdout is still open")
"""


@pytest.mark.parametrize(("source", "target"), [("csv", "parquet"), ("parquet", "jsonl"), ("jsonl", "csv")])
def test_standard_input_and_output_as_a_filter(write: Any, read: Any, tmp_path: Path, source: str, target: str) -> None:
    given = write(f"in.{source}", ROWS[:50]).read_bytes()
    done = subprocess.run([sys.executable, "-c", FILTER, source, target], input=given, capture_output=True, check=True)
    said = b"and our own stdout is still open\n"
    assert done.stdout.endswith(said)
    (tmp_path / f"out.{target}").write_bytes(done.stdout.removesuffix(said))
    assert read(tmp_path / f"out.{target}") == ROWS[:50]


def test_a_reader_of_ours_that_goes_away_is_told_in_one_line(write: Any) -> None:
    command = [sys.executable, "-c", FILTER, "jsonl", "jsonl"]
    pipe = subprocess.PIPE
    with (
        write("in.jsonl", ROWS).open("rb") as source,
        subprocess.Popen(command, stdin=source, stdout=pipe, stderr=pipe) as process,
    ):
        assert process.stdout and process.stderr
        process.stdout.close()
        assert b"standard output was closed by its reader" in process.stderr.read()


def test_a_named_pipe_is_read_as_it_comes(tmp_path: Path, read: Any) -> None:
    path = tmp_path / "in.jsonl"
    os.mkfifo(path)
    feeder = threading.Thread(target=path.write_text, args=('{"a": 1}\n',))
    feeder.start()
    assert read(path) == [{"a": 1}]
    feeder.join()


def test_a_stdin_that_somebody_replaced_will_do(monkeypatch: pytest.MonkeyPatch, read: Any) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b'{"a": 1}\n')))
    assert read("-") == [{"a": 1}]
