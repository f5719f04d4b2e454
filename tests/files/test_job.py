"""FileJob: checked when it is made; which columns go out, which rows are asked, and samples."""

from pathlib import Path
from typing import Any

import pytest

from kaizen_batch import BatchConfig, ConfigError, FileJob, JobResult, RecordError, run_job
from kaizen_batch.agents import create_agent

MOCK = BatchConfig(llm_provider="mock", max_concurrent=4)
FORMATS = ["csv", "jsonl", "json", "parquet", "arrow", "xlsx", "tsv", "psv"]


async def run(source: Path, target: Path, template: str = "{text}", **options: Any) -> JobResult:
    return await run_job(FileJob(source, target, template=template, **options), create_agent(MOCK), MOCK)


@pytest.fixture
def rows() -> list[dict[str, Any]]:
    return [{"id": f"r{n}", "text": f"text {n}", "extra": "x"} for n in range(6)]


@pytest.mark.parametrize("format", FORMATS)
async def test_select_and_drop_say_which_columns_go_out(
    tmp_path: Path, write: Any, read: Any, rows: Any, format: str
) -> None:
    source = write(f"in.{format}", rows)
    await run(source, tmp_path / f"a.{format}", select=["id"])
    assert list(read(tmp_path / f"a.{format}")[0]) == ["id", "result"]
    await run(source, tmp_path / f"b.{format}", drop=["text", "id"])
    assert read(tmp_path / f"b.{format}")[2] == {"extra": "x", "result": "mock answer to: text 2"}


async def test_a_column_to_select_must_be_there(tmp_path: Path, write: Any, rows: Any) -> None:
    for option, message in (("select", "select names 'texts': did you mean 'text'"), ("drop", "drop names 'texts'")):
        with pytest.raises(ConfigError, match=message):
            await run(write("in.csv", rows), tmp_path / "o.csv", **{option: ["texts"]})
    with pytest.raises(ConfigError, match="id names the column 'key', and the rows have 'id', 'text'"):
        await run(write("in.csv", rows), tmp_path / "o.csv", id="key")


async def test_a_seed_draws_other_rows_and_the_same_ones_each_time(
    tmp_path: Path, write: Any, read: Any, rows: Any
) -> None:
    source = write("in.csv", rows)

    async def drawn(seed: int) -> tuple[str, ...]:
        await run(source, tmp_path / "o.csv", sample=3, seed=seed)
        return tuple(row["id"] for row in read(tmp_path / "o.csv"))

    found = [await drawn(seed) for seed in (0, 1, 2, 3, 4)]
    assert len(set(found)) > 1 and [await drawn(seed) for seed in (0, 1, 2, 3, 4)] == found


# Rows without a value for the prompt.

EMPTY = [{"text": ""}, {"text": "a"}, {"text": " \t"}, {"text": None}, {"text": "b"}, {"text": None}]


@pytest.mark.parametrize("format", ["csv", "jsonl", "parquet", "xlsx"])
@pytest.mark.parametrize("on_missing", ["fail", "ask", "skip"])
async def test_rows_without_a_value_fail_or_are_asked_or_skipped(
    tmp_path: Path, write: Any, read: Any, format: str, on_missing: str
) -> None:
    source = write(f"in.{format}", [{"n": n, **row} for n, row in enumerate(EMPTY)])
    result = await run(source, tmp_path / f"o.{format}", "Say {text}", on_missing=on_missing)
    written = read(tmp_path / f"o.{format}")
    counts = {"fail": (2, 4, 0, 2), "ask": (6, 0, 0, 3), "skip": (6, 0, 4, 2)}[on_missing]
    asked = result.summary.calls if on_missing != "ask" else 3
    assert (result.rows_written, result.rows_failed, result.rows_skipped, asked) == counts
    assert [int(row["n"]) for row in written] == ([1, 4] if on_missing == "fail" else [0, 1, 2, 3, 4, 5])
    answers = {int(row["n"]): row["result"] for row in written}
    assert (answers[1], answers[4]) == ("mock answer to: Say a", "mock answer to: Say b")
    if on_missing == "skip":
        assert not any(answers[n] for n in (0, 2, 3, 5))
    if on_missing == "fail":
        assert {row["error_code"] for row in read(tmp_path / f"o.failed.{format}")} == {"missing_values"}


async def test_one_value_is_enough_to_ask(tmp_path: Path, write: Any, read: Any) -> None:
    await run(write("in.csv", [{"a": "", "b": "x"}]), tmp_path / "o.csv", "{a}-{b}")
    assert read(tmp_path / "o.csv")[0]["result"] == "mock answer to: -x"


async def test_rows_that_are_all_skipped_are_written(tmp_path: Path, write: Any, read: Any) -> None:
    result = await run(write("in.csv", [{"a": ""}] * 3), tmp_path / "o.csv", "{a}", on_missing="skip")
    assert (result.rows_written, result.rows_skipped, len(read(tmp_path / "o.csv"))) == (3, 3, 3)


# JSON Lines.


async def test_numbers_keep_their_text(tmp_path: Path) -> None:
    line = '{"t": "x",  "a": -0, "b": 1e999, "c": 123456789012345678901234567890, "d": 0.123456789012345678, "e": 1.10}'
    (tmp_path / "in.jsonl").write_text(f"{line}\n" + '{"t": null, "z": 1E5}\n')
    await run(tmp_path / "in.jsonl", tmp_path / "o.jsonl", "{t}")
    assert (tmp_path / "o.jsonl").read_text() == f'{line[:-1]}, "result": "mock answer to: x"}}\n'
    assert (tmp_path / "o.failed.jsonl").read_text().startswith('{"t": null, "z": 1E5, "row": 2, ')
    await run(tmp_path / "in.jsonl", tmp_path / "p.jsonl", "{t}", drop=["a", "b"])
    assert (tmp_path / "p.jsonl").read_text() == (
        '{"t": "x", "c": 123456789012345678901234567890, "d": 0.123456789012345678, "e": 1.10, '
        '"result": "mock answer to: x"}\n'
    )


async def test_what_is_not_json_is_never_written(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"t": "x", "n": NaN, "m": [1.10, -Infinity], "k": 1.10}\n')
    await run(tmp_path / "in.jsonl", tmp_path / "o.jsonl", "{t}")
    assert (tmp_path / "o.jsonl").read_text() == (
        '{"t": "x", "n": null, "m": [1.1, -1e999], "k": 1.10, "result": "mock answer to: x"}\n'
    )


async def test_output_columns_are_decided_once_for_all_rows(tmp_path: Path, read: Any) -> None:
    (tmp_path / "in.jsonl").write_text('{"t": "a"}\n{"t": "b", "result": "mine"}\n')
    await run(tmp_path / "in.jsonl", tmp_path / "o.jsonl", "{t}")
    assert read(tmp_path / "o.jsonl") == [
        {"t": "a", "result_result": "mock answer to: a"},
        {"t": "b", "result": "mine", "result_result": "mock answer to: b"},
    ]


async def test_a_stream_whose_later_rows_have_an_outputs_name_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import io
    import sys

    text = b'{"t": "a"}\n{"t": "b", "result": 1}\n'
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
    with pytest.raises(RecordError, match="a row has the column 'result', which no row before had"):
        await run(Path("-"), tmp_path / "o.jsonl", "{t}")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"delimiter": ";;"}, "delimiter must be one character, such as ';'; given: ';;'"),
        ({"escape": ""}, "escape must be one character"),
        ({"quote": "''"}, "quote must be one character"),
        ({"ragged": "drop"}, "ragged is 'error' or 'pad'; given: 'drop'"),
        ({"skip": -1}, "skip must be a whole number, at least 0; given: -1"),
        ({"comment": ""}, "comment must not be empty"),
        ({"seed": 1.5}, "seed must be a whole number, at least 0; given: 1.5"),
        ({"select": "id"}, "select must be a list of column names; given: 'id'"),
        ({"on_missing": "drop"}, "on_missing is 'fail', 'ask' or 'skip'; given: 'drop'"),
    ],
)
def test_a_wrong_option_is_an_error_at_once(options: Any, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        FileJob("a.csv", "b.csv", **options)
    assert message in str(caught.value)
