"""DataFrames through an agent: answers as columns in the library they came from, a journal, errors before any call."""

from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from kaizen_batch import (
    BatchConfig,
    BatchError,
    BatchProcessorAgent,
    ConfigError,
    Journal,
    PromptTemplate,
)
from kaizen_batch.files.frames import FrameJob
from tests.engine.frame_kinds import KINDS, MAKERS, Mood, agent

TEXTS = ["good", None, "bad", "fine"]

FRAME = pd.DataFrame({"text": ["a", "b", "a"], "single": pd.array([0.1, 0.2, 0.1], dtype="float32")})


def test_a_journal_pays_each_question_once(tmp_path: Path) -> None:
    config = BatchConfig(llm_provider="mock", journal=tmp_path / "run.db")
    first = BatchProcessorAgent(config).run_frame(FRAME, "{text} {single}")
    assert list(first["result"]) == [f"mock answer to: {cells}" for cells in ("a 0.1", "b 0.2", "a 0.1")]
    assert Journal(tmp_path / "run.db").count()["done"] == 2
    agent = BatchProcessorAgent(config)
    assert agent.run_frame(FRAME, "{text} {single}").equals(first)
    assert [run.description["config"]["labels"]["rendering"] for run in Journal(tmp_path / "run.db").runs()] == [
        "2"
    ] * 2


def test_on_error_raise_ends_the_frame() -> None:
    config = BatchConfig(llm_provider="mock", on_error="raise", provider_options={"failures": {400: 1.0}})
    with pytest.raises(BatchError):
        BatchProcessorAgent(config).run_frame(FRAME, "{text}")


def test_a_job_is_checked_when_it_is_made() -> None:
    assert FrameJob(FRAME, PromptTemplate("{text}")).prompt_template is not None
    with pytest.raises(ConfigError, match=r"the prompt template has no \{column\}"):
        FrameJob(FRAME, "nothing")


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


def test_outputs_of_mixed_types_become_text() -> None:
    class Mixed:
        async def run_async(self, prompt: str) -> dict[str, Any]:
            return {"value": {"a": 1} if prompt == "x" else prompt}

    frame = BatchProcessorAgent(provider=Mixed()).run_frame(pl.DataFrame({"prompt": ["x", "y"]}))
    assert frame["value"].to_list() == ['{"a": 1}', "y"]
