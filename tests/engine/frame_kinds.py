"""The same data as a frame of each kind."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa

MAKERS: list[Callable[[dict[str, Any]], Any]] = [
    pd.DataFrame,
    pl.DataFrame,
    lambda data: pl.DataFrame(data).lazy(),
    pa.table,
    lambda data: pa.RecordBatch.from_pydict(data),
]
KINDS = ["pandas", "polars", "polars lazy", "pyarrow table", "pyarrow batch"]
