"""Several files, patterns, folders, and a zip of one file."""

import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kaizen_batch import BatchConfig, ConfigError, FileJob, RecordError, open_records, run_job
from kaizen_batch.agents import create_agent

MOCK = BatchConfig(llm_provider="mock")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    for name in ("b", "a"):
        (tmp_path / "data" / f"{name}.csv").write_text(f"text,n\n{name}1,1\n{name}2,2\n")
    return tmp_path / "data"


def test_files_of_a_pattern_are_read_in_order_of_their_names(folder: Path, read: Any) -> None:
    wanted = [{"text": f"{name}{n}", "n": str(n)} for name in "ab" for n in (1, 2)]
    assert read(str(folder / "*.csv")) == wanted
    assert read(folder, glob="*.csv") == wanted
    assert read([folder / "b.csv", folder / "a.csv"]) == wanted[2:] + wanted[:2]


@pytest.mark.parametrize("format", ["csv", "jsonl", "parquet", "arrow", "xlsx"])
async def test_the_name_of_the_file_is_a_column_on_request(
    folder: Path, tmp_path: Path, write: Any, read: Any, format: str
) -> None:
    paths = [write(f"{name}.{format}", [{"text": name, "n": 1}]) for name in "xy"]
    job = FileJob(paths, tmp_path / f"out.{format}", template="{text} {file}", source_column="file")
    await run_job(job, create_agent(MOCK), MOCK)
    rows = read(tmp_path / f"out.{format}")
    assert [row["file"] for row in rows] == list(map(str, paths))
    assert rows[1]["result"] == f"mock answer to: y {paths[1]}" and list(rows[0]) == ["text", "n", "file", "result"]


def test_a_source_column_must_be_new(folder: Path, tmp_path: Path, read: Any) -> None:
    with pytest.raises(ConfigError, match="the input has a column 'text' already"):
        read(folder / "a.csv", source_column="text")
    (tmp_path / "a.jsonl").write_text('{"text": 1}\n')
    with pytest.raises(RecordError, match="row 1: it has a member 'text' already"):
        read(tmp_path / "a.jsonl", source_column="text")


def test_files_must_have_one_schema(folder: Path, tmp_path: Path, read: Any) -> None:
    (folder / "c.csv").write_text("text,m\nx,1\n")
    with pytest.raises(RecordError, match=r"c.csv', the column 'm' is only in this file: give files of one schema"):
        read(str(folder / "*.csv"))
    pq.write_table(pa.table({"a": [1]}), tmp_path / "1.parquet")
    pq.write_table(pa.table({"a": ["x"]}), tmp_path / "2.parquet")
    with pytest.raises(RecordError, match=r"2.parquet', column 'a' has the type string, and int64 in .*1.parquet'"):
        read(str(tmp_path / "*.parquet"))
    with pytest.raises(ConfigError, match="give files of one format"):
        read([tmp_path / "1.parquet", folder / "a.csv"])


async def test_an_error_in_the_second_file_names_it_and_costs_nothing(folder: Path, tmp_path: Path) -> None:
    (folder / "b.csv").write_text("text,n\nx,1\ny\n")
    with pytest.raises(RecordError, match=r"b\.csv', row 2 \(line 3\)"):
        await run_job(FileJob(str(folder / "*.csv"), tmp_path / "o.csv", template="{text}"), create_agent(MOCK), MOCK)
    assert not (tmp_path / "o.csv").exists()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("none/*.csv", "no file matches 'none/"),
        ([], "the list of input files is empty"),
        (["-", "a.csv"], "standard input cannot be one of several inputs"),
        (7, "a file is given by its path"),
    ],
)
def test_an_input_that_is_none_is_an_error(source: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        open_records(source)


def test_documents_and_rows_cannot_be_mixed(folder: Path) -> None:
    (folder / "a.txt").write_text("x")
    with pytest.raises(ConfigError, match="documents and files of rows cannot be mixed"):
        open_records([folder / "a.txt", folder / "a.csv"])


def zipped(path: Path, **members: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/").replace("_", "."), content)
    return path


def test_a_zip_of_one_file_is_read_as_that_file(tmp_path: Path, read: Any) -> None:
    assert read(zipped(tmp_path / "data.zip", deep__in_tsv="a\tb\n1\t2\n")) == [{"a": "1", "b": "2"}]
    assert read(zipped(tmp_path / "x.csv.zip", other_name="a\n1\n")) == [{"a": "1"}]
    pq.write_table(pa.table({"a": [1]}), tmp_path / "in.parquet")
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as archive:
        archive.write(tmp_path / "in.parquet", "in.parquet")
    assert read(tmp_path / "p.zip") == [{"a": 1}]


def test_a_zip_of_several_files_is_an_error(tmp_path: Path, read: Any) -> None:
    with pytest.raises(RecordError, match=r"a zip must hold one file, and it holds a\.csv, b\.csv; unpack it"):
        read(zipped(tmp_path / "x.csv.zip", a_csv="a\n", b_csv="a\n"))
    (tmp_path / "broken.csv.zip").write_bytes(b"PK\x03\x04 no zip")
    with pytest.raises(RecordError, match=r"broken\.csv\.zip"):
        read(tmp_path / "broken.csv.zip")
    with pytest.raises(ConfigError, match="can be read but not written"):
        FileJob("in.csv", "out.csv.zip")


@pytest.mark.parametrize("name", ["in.ndjson", "in.zstd", "in.pq", "in.feather", "in.tab"])
def test_other_names_of_formats(name: str, write: Any, read: Any) -> None:
    real = {"in.zstd": "in.csv.zstd"}.get(name, name)
    assert read(write(real, [{"a": "x"}])) == [{"a": "x"}]


def test_a_file_whose_name_has_wildcards_is_itself(tmp_path: Path, read: Any) -> None:
    (tmp_path / "a[1].csv").write_text("a\n1\n")
    assert read(tmp_path / "a[1].csv") == [{"a": "1"}]
