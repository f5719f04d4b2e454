"""JSON documents: arrays of rows, streamed, each row spelled as it was."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaizen_batch import BatchConfig, FileJob, RecordError, open_records, run_job
from kaizen_batch.agents import create_agent
from kaizen_batch.files import json_array
from tests.files.test_jsonl import JSON

MOCK = BatchConfig(llm_provider="mock")


def read(path: Path, text: str, **options: Any) -> list[dict[str, Any]]:
    path.write_text(text)
    with open_records(path, **options) as records:
        return list(records)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "in.json"


@pytest.mark.parametrize(
    ("text", "options", "rows"),
    [
        ("[]", {}, []),
        ("", {}, []),
        (' [ {"a": 1} ,\n{"a": "]"}\n] \n', {}, [{"a": 1}, {"a": "]"}]),
        ('{"a": 1}', {}, [{"a": 1}]),
        ('{"a": 1}\n{"a": 2}\n', {}, [{"a": 1}, {"a": 2}]),  # JSON Lines under the wrong name
        ('{\n "a": 1\n}{\n "a": 2\n}', {}, [{"a": 1}, {"a": 2}]),
        ('{"n": 2, "s": "{[\\"", "data": {"skip": [[1]], "items": [{"a": 1}]}, "x": 1}', {"json_path": "data.items"},
         [{"a": 1}]),
    ],
)  # fmt: skip
def test_what_a_document_holds_is_what_comes_out(path: Path, text: str, options: Any, rows: Any) -> None:
    assert read(path, text, **options) == rows


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ('{"data": [{"a": 1}]}', {}, "its rows may be in 'data': pass json_path='data'"),
        ('{"data": 1}', {"json_path": "items"}, "instead of 'items' the object has 'data'"),
        ('{"data": {"a": 1}}', {"json_path": "data"}, "there is no array at json_path='data', but an object"),
        ('[{"a": 1}', {}, "row 2: after this object there must be ',' or ']'; found: 'the end of the file'"),
        ('[{"a": 1} {"a": 2}]', {}, "row 2: after this object there must be ',' or ']'; found: '{'"),
        ('[{"a": 1}, {"a": tru}]', {}, "row 2: it is not JSON: Expecting value"),
        ('[{"a": 1}, 2]', {}, "row 2: it must be a JSON object; found: a number"),
        ('[{"a": 1}] x', {}, "there is more after the end of the array"),
        ('[{"a": 1, "a": 2}]', {}, "row 1: the name 'a' occurs twice"),
        ('"text"', {}, "it is not a JSON array of objects"),
        ('{"a": {"b": [', {"json_path": "c"}, "the document ends too early"),
    ],
)
def test_a_document_that_is_wrong_is_an_error(path: Path, text: str, options: Any, message: str) -> None:
    with pytest.raises(RecordError) as caught:
        read(path, text, **options)
    assert message in str(caught.value)


@settings(max_examples=40, deadline=None)
@given(rows=st.lists(st.dictionaries(st.text(), JSON, max_size=3), max_size=6), chunk=st.integers(1, 40))
def test_any_chunks_give_the_same_rows(rows: list[Any], chunk: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "chunks.json"
    before, json_array._CHUNK = json_array._CHUNK, chunk
    try:
        nested = {"skip": rows, "deep": {"rows": rows}}
        assert read(path, json.dumps(nested, indent=1), json_path="deep.rows") == rows
        assert read(path, json.dumps(rows)) == rows
    finally:
        json_array._CHUNK = before


def test_a_mistake_at_the_beginning_is_found_without_reading_the_rest(path: Path, monkeypatch: Any) -> None:
    path.write_text('[{"a": tru}, ' + '{"a": 1}, ' * 100_000)
    read_so_far = 0
    more = json_array._Window._more

    def counting(self: Any) -> bool:
        nonlocal read_so_far
        read_so_far += 1
        return more(self)

    monkeypatch.setattr(json_array._Window, "_more", counting)
    with pytest.raises(RecordError, match="row 1"), open_records(path) as records:
        list(records)
    assert read_so_far <= 2


async def test_numbers_keep_their_text_and_failed_rows_are_json_again(tmp_path: Path) -> None:
    path = tmp_path / "in.json"
    path.write_text('[{"t": "x", "n": 1.10, "m": [-0, 1e999]},\n {"t": "", "n": 123456789012345678901234567890}]')
    await run_job(FileJob(path, tmp_path / "out.json", template="{t}"), create_agent(MOCK), MOCK)
    assert (tmp_path / "out.json").read_text() == (
        '[\n{"t": "x", "n": 1.10, "m": [-0, 1e999], "result": "mock answer to: x"}\n]\n'
    )
    assert '"n": 123456789012345678901234567890, "row": 2' in (tmp_path / "out.failed.json").read_text()


def test_an_output_without_rows_is_an_empty_array(write: Any) -> None:
    assert json.loads(write("out.json", []).read_text()) == []
