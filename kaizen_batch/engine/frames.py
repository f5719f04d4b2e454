"""The rows of DataFrames, of any library that narwhals supports: pandas, Polars, PyArrow, Modin, DuckDB and more.

Iterating a pandas DataFrame gives its column names, so a frame in the place of a list of items would ask a model about
those. Here its rows are dicts, and the values of a Series are items. NaN, NaT and NA are None.
"""

import struct
from collections.abc import Iterator
from typing import Any

from kaizen_batch.errors import ConfigError
from kaizen_batch.results.values import is_missing

_LIBRARIES = ("pandas", "polars", "pyarrow", "modin", "cudf", "duckdb", "dask", "ibis", "pyspark", "sqlframe")
_ROWS_AT_ONCE = 1024


def is_frame(items: object) -> bool:
    """Whether it is a DataFrame or Series of a library that narwhals may support."""
    # The classes it is derived from count too: a GeoDataFrame is a DataFrame of pandas.
    return any(kind.__module__.partition(".")[0] in _LIBRARIES for kind in type(items).__mro__)


def frame_items(items: object) -> "FrameRows | list[Any]":
    """The rows of a DataFrame, or the values of a Series, an Index or an Array. Raises: ConfigError."""
    if hasattr(type(items), "columns"):
        return FrameRows(eager(items))
    for convert in ("to_pylist", "to_list", "tolist"):
        if hasattr(items, convert):
            return [None if is_missing(value) else value for value in getattr(items, convert)()]
    raise ConfigError(f"a {type(items).__name__} is no batch of items: pass a DataFrame, a Series or a list")


def eager(frame: object) -> Any:
    """A DataFrame as narwhals has it; a lazy one is collected. Raises: ConfigError for what is no DataFrame."""
    if not hasattr(type(frame), "columns"):
        raise ConfigError(f"a DataFrame is needed; given: a {type(frame).__name__}; write frame[['column']]")
    return _wrapped(frame)


class FrameRows:
    """The rows of a DataFrame as dicts with Python values, made while they are read."""

    def __init__(self, frame: Any) -> None:
        self._frame = frame
        self.columns: tuple[str, ...] = tuple(map(str, frame.columns))

    def __len__(self) -> int:
        return len(self._frame)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for start in range(0, len(self._frame), _ROWS_AT_ONCE):
            part = self._frame[start : start + _ROWS_AT_ONCE]
            columns = [_values(part[name]) for name in part.columns]
            for cells in zip(*columns, strict=True):
                yield dict(zip(self.columns, cells, strict=True))


def _wrapped(items: object) -> object:
    try:
        import narwhals as nw
    except ModuleNotFoundError:
        raise ConfigError("a DataFrame needs an extra: pip install 'kaizen-batch[frames]'") from None
    try:
        found = nw.from_native(_table_of_batch(items))
    except Exception as error:
        why = " ".join(str(error).split())[:200]
        raise ConfigError(f"a {type(items).__name__} cannot be read as a table: {why}") from None
    return found.collect() if isinstance(found, nw.LazyFrame) else found


def _table_of_batch(items: object) -> Any:
    """A table in place of an Arrow record batch, which narwhals does not know."""
    if type(items).__name__ != "RecordBatch":
        return items
    import pyarrow as pa

    return pa.Table.from_batches([items])


def _values(series: Any) -> list[object]:
    import narwhals as nw

    values = [None if is_missing(value) else value for value in series.to_list()]
    if series.dtype == nw.Float32:
        return [None if value is None else _shortest(value) for value in values]
    return values


def _shortest(value: float) -> float:
    """The double whose text is the shortest that means this 32-bit float."""
    for digits in range(6, 9):
        text = f"{value:.{digits}g}"
        if struct.pack("f", float(text)) == struct.pack("f", value):
            return float(text)
    return float(f"{value:.9g}")
