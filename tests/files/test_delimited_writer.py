"""TSV out: plain as long as it can be, quoted throughout where a cell needs it; and dialects of failed rows."""

import csv
from pathlib import Path
from typing import Any

import pytest

from kaizen_batch import BatchConfig, FileJob, MockProvider, open_records, record_writer, run_job
from kaizen_batch.agents import create_agent

MOCK = BatchConfig(llm_provider="mock")


def test_tsv_has_no_quotes_where_it_needs_none(write: Any, read: Any) -> None:
    rows = [{"a": 'say "hi"', "b": ""}, {"a": '"', "b": "1"}]
    path = write("out.tsv", rows)
    assert path.read_text() == 'a\tb\nsay "hi"\t\n"\t1\n'
    assert read(path) == rows


@pytest.mark.parametrize("cell", ["x\ty", "x\ny", "x\r", ""])
def test_tsv_is_quoted_throughout_once_a_cell_needs_it(write: Any, read: Any, cell: str) -> None:
    rows = [{"a": "first"}, {"a": cell}, {"a": 'last "'}]
    path = write("out.tsv", rows)
    assert path.read_bytes().startswith(b'"a"\n"first"\n')
    assert read(path) == rows


def test_tsv_into_a_stream_is_quoted_from_the_beginning(capfdbinary: Any) -> None:
    with record_writer("-", format="tsv") as writer:
        writer.write({"a": "1"})
    assert capfdbinary.readouterr().out == b'"a"\n"1"\n'


async def test_failed_rows_are_read_again_by_the_same_options(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("text~n\n'a~b'~1\n")
    config = BatchConfig(llm_provider="mock", provider_options={"failures": {400: 1.0}})
    options: dict[str, Any] = {"template": "{text}", "delimiter": "~", "quote": "'"}
    await run_job(FileJob(tmp_path / "in.csv", tmp_path / "out.csv", **options), create_agent(config), config)
    again = FileJob(tmp_path / "out.failed.csv", tmp_path / "again.csv", **options)
    await run_job(again, create_agent(MOCK, None, MockProvider()), MOCK)
    with (tmp_path / "again.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [["text", "n", "result"], ["a~b", "1", "mock answer to: a~b"]]


def test_a_header_that_looks_like_another_delimiter_is_read_as_it_was(write: Any) -> None:
    for name in ("a;b", "a|b|c", "x\ty"):
        path = write("out.csv", [{name: "1"}])
        with open_records(path) as records:
            assert records.columns == (name,)
