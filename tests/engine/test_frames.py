"""DataFrames as batches: their rows are items, whichever library they are of."""

from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from kaizen_batch import BatchProcessorAgent, ConfigError
from tests.engine.frame_kinds import KINDS, MAKERS, agent


class Echo:
    """Gives back what it got."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []

    async def run_async(self, **inputs: Any) -> dict[str, Any]:
        self.seen.append(inputs)
        return {"echo": str(inputs.get("prompt", inputs))}


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
