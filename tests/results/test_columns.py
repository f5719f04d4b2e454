"""Results as tables: of PyArrow, pandas and Polars."""

from typing import Any

import pyarrow as pa
import pytest

from kaizen_batch import BatchProcessorAgent, BatchResult
from tests.engine.frame_kinds import Mood, agent


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
