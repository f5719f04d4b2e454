"""DataFrames: their rows as items, answers as columns, in the library they came from."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from kaizen_batch import BatchProcessorAgent, BatchResult, ConfigError, InputField, OutputField, Signature

TEXTS = ["good", None, "bad", "fine"]
MAKERS: list[Callable[[dict[str, Any]], Any]] = [
    pd.DataFrame,
    pl.DataFrame,
    lambda data: pl.DataFrame(data).lazy(),
    pa.table,
    lambda data: pa.RecordBatch.from_pydict(data),
]
KINDS = ["pandas", "polars", "polars lazy", "pyarrow table", "pyarrow batch"]


class Mood(Signature):
    """Say how it is."""

    text: str = InputField("a text")
    mood: str = OutputField("its mood")
    score: int = OutputField("from 0 to 9")


def agent(**options: Any) -> BatchProcessorAgent:
    return BatchProcessorAgent(llm_provider="mock", max_concurrent=3, **options)


class Echo:
    """Gives back what it got."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []

    async def run_async(self, **inputs: Any) -> dict[str, Any]:
        self.seen.append(inputs)
        return {"echo": str(inputs.get("prompt", inputs))}


def columns_of(frame: Any) -> list[str]:
    return frame.column_names if isinstance(frame, pa.Table) else list(frame.columns)


def cells_of(frame: Any, name: str) -> list[Any]:
    if isinstance(frame, pd.DataFrame):
        return [None if pd.isna(value) else value for value in frame[name]]
    return frame[name].to_pylist() if isinstance(frame, pa.Table) else frame[name].to_list()


@pytest.mark.parametrize("make", MAKERS, ids=KINDS)
def test_a_frame_comes_back_in_its_own_library_with_the_answers(make: Any) -> None:
    frame = make({"text": TEXTS, "id": [1, 2, 3, 4]})
    answered = agent().run_frame(frame, "Say {text}")
    assert columns_of(answered) == ["text", "id", "result", "error"]
    assert cells_of(answered, "id") == [1, 2, 3, 4]
    assert cells_of(answered, "result")[2:] == ["mock answer to: Say bad", "mock answer to: Say fine"]
    assert cells_of(answered, "error") == [None, "nothing to ask about: 'text' of this row is empty", None, None]


def test_the_index_of_pandas_is_kept() -> None:
    frame = pd.DataFrame({"text": ["a", "b"]}, index=pd.Index(["x", "y"], name="key"))
    answered = agent().run_frame(frame, "Say {text}")
    assert answered.index.equals(frame.index) and answered.index.name == "key"
    assert answered.loc["y", "result"] == "mock answer to: Say b"
    assert list(frame.columns) == ["text"]  # the frame that was given is unchanged


def test_a_repeated_index_gets_each_answer_once() -> None:
    frame = pd.DataFrame({"text": ["a", "b", "c"]}, index=[1, 1, 0])
    assert list(agent().run_frame(frame, "{text}")["result"]) == [f"mock answer to: {text}" for text in "abc"]


def test_types_of_answers_are_those_of_the_signature() -> None:
    answered = agent(signature=Mood).run_frame(pl.DataFrame({"text": ["a", "b"]}))
    assert answered.schema["score"] == pl.Int64 and answered.columns == ["text", "mood", "score", "error"]


def test_rows_without_a_value_can_be_asked_or_skipped() -> None:
    frame = pl.DataFrame({"text": ["a", None, " ", "b"]})
    skipped = agent().run_frame(frame, "{text}", on_missing="skip")
    assert skipped["result"].to_list() == ["mock answer to: a", None, None, "mock answer to: b"]
    assert skipped["error"].to_list() == [None] * 4
    asked = agent().run_frame(frame, "{text}!", on_missing="ask")
    assert asked["result"].to_list()[1] == "mock answer to: !"
    with pytest.raises(ConfigError, match="on_missing is 'fail', 'ask' or 'skip'; given: 'drop'"):
        agent().run_frame(frame, "{text}", on_missing="drop")  # type: ignore[arg-type]


def test_outputs_whose_names_are_taken_are_called_result() -> None:
    frame = pd.DataFrame({"text": ["a"], "result": [1], "error": [2]})
    answered = agent().run_frame(frame, "{text}")
    assert list(answered.columns) == ["text", "result", "error", "result_result", "error_result"]


def test_a_frame_without_rows_has_the_columns_too() -> None:
    answered = agent().run_frame(pd.DataFrame({"text": []}), "{text}")
    assert (list(answered.columns), len(answered)) == (["text", "result", "error"], 0)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pd.Series(["a"]), "a DataFrame is needed; given: a Series"),
        ([{"text": "a"}], "a DataFrame is needed; given: a list"),
        (pd.DataFrame({"body": ["a"]}), "names 'text', and the rows have 'body'"),
        (pd.DataFrame([["a", "b"]], columns=["text", "text"]), "cannot be read as a table"),
    ],
)
def test_a_wrong_use_is_an_error_before_any_call(frame: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        agent().run_frame(frame, "{text}")


# Frames as batches.


@pytest.mark.parametrize("make", MAKERS, ids=KINDS)
async def test_a_frame_in_the_place_of_a_batch_gives_its_rows(make: Any) -> None:
    echo = Echo()
    results = await BatchProcessorAgent(provider=echo).process_batch(make({"a": [1, None], "b": ["x", "y"]}))
    assert [result["status"] for result in results] == ["ok", "ok"]
    assert echo.seen == [{"a": 1, "b": "x"}, {"a": None, "b": "y"}]


@pytest.mark.parametrize(
    "series",
    [pd.Series(["x", None]), pd.Index(["x", None]), pl.Series(["x", None]), pa.array(["x", None]),
     pa.chunked_array([["x"], [None]]), pd.Series(["x", float("nan")], dtype=object)],
    ids=lambda value: type(value).__module__ + "." + type(value).__name__,
)  # fmt: skip
async def test_a_series_gives_its_values(series: Any) -> None:
    results = await agent().process_batch(series)
    assert [result["status"] for result in results] == ["ok", "error"]
    assert results[0]["result"] == "mock answer to: x"


async def test_missing_values_of_all_kinds_are_none() -> None:
    frame = pd.DataFrame({
        "nan": [float("nan")], "nat": [pd.NaT], "na": pd.array([pd.NA], dtype="Int64"), "none": [None],
        "single": pd.array([0.1], dtype="float32"),
    })  # fmt: skip
    echo = Echo()
    await BatchProcessorAgent(provider=echo).process_batch(frame)
    assert echo.seen == [{"nan": None, "nat": None, "na": None, "none": None, "single": 0.1}]


async def test_nan_in_a_row_of_the_users_own_is_a_missing_value() -> None:
    [result] = await agent().process_batch([{"prompt": float("nan")}])
    assert result["error"] and "the input 'prompt' is nan" in result["error"]["message"]


async def test_a_template_works_on_rows_in_memory() -> None:
    rows = [{"user": {"name": "Ada"}, "Dataset Name:": "iris"}, {"user": None, "Dataset Name:": ""}]
    template = '{user.name}: {"Dataset Name:"}'
    results = await agent().process_batch(rows, template=template)
    assert results[0]["result"] == "mock answer to: Ada: iris"
    assert results[1]["error"] and results[1]["error"]["code"] == "missing_values"
    assert agent().process_single(rows[0], template=template)["result"] == "mock answer to: Ada: iris"
    async with agent().stream(rows[:1], template=template) as run:
        assert [result["result"] async for result in run] == ["mock answer to: Ada: iris"]
    with pytest.raises(ConfigError, match="names 'text', and the rows have"):
        await agent().process_batch(rows, template="{text}")


# Results as tables.


@pytest.fixture
async def result() -> BatchResult:
    return await agent(signature=Mood, provider_options={"failures": {400: 0.4}, "seed": 2}).run_batch(
        [{"text": f"{n}"} for n in range(8)]
    )


async def test_results_become_tables(result: BatchResult) -> None:
    table = result.to_arrow()
    assert table.column_names[:5] == ["mood", "score", "status", "error_code", "error"]
    assert table["status"].to_pylist() == [each["status"] for each in result.results]
    assert {"ok", "error"} == set(table["status"].to_pylist())
    assert table["score"].to_pylist() == [each.get("score") for each in result.results]
    assert table.schema.field("score").type == pa.int64() and table.schema.field("input_tokens").type == pa.int64()
    assert result.to_polars()["score"].to_list() == table["score"].to_pylist()
    assert list(result.to_pandas()["status"]) == table["status"].to_pylist()


async def test_values_of_mixed_types_become_text() -> None:
    class Mixed:
        async def run_async(self, prompt: str) -> dict[str, Any]:
            return {"value": {"a": 1} if prompt == "x" else prompt}

    result = await BatchProcessorAgent(provider=Mixed()).run_batch(["x", "y"])
    assert result.to_arrow()["value"].to_pylist() == ['{"a": 1}', "y"]
    frame = BatchProcessorAgent(provider=Mixed()).run_frame(pl.DataFrame({"prompt": ["x", "y"]}))
    assert frame["value"].to_list() == ['{"a": 1}', "y"]
