"""The same data as a frame of each kind, and an agent to ask about its rows."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa

from kaizen_batch import BatchProcessorAgent, InputField, OutputField, Signature

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
