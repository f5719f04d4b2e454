"""Arrow arrays to Python values and back."""

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaizen_batch.results.arrow import array_of, as_type, can_fail, to_python, wider


@pytest.mark.parametrize(
    ("array", "values"),
    [
        (pa.array([0.1, None], pa.float32()), [0.1, None]),
        (pa.array([[0.1], None], pa.list_(pa.float32())), [[0.1], None]),
        (pa.array([{"x": 0.1}], pa.struct([("x", pa.float32())])), [{"x": 0.1}]),
        (pa.array([[("k", 0.1)]], pa.map_(pa.string(), pa.float32())), [[("k", 0.1)]]),
        (pa.array([1, None], pa.timestamp("ns")), ["1970-01-01 00:00:00.000000001", None]),
        (pa.array([[1]], pa.list_(pa.duration("ns"))), [[1]]),
        (pa.array(["a", None]).dictionary_encode(), ["a", None]),
        (pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, 0, None], pa.int8())), [True, False, None]),
    ],
    ids=lambda value: str(getattr(value, "type", "")),
)
def test_arrays_become_python_values_and_arrays_again(array: Any, values: list[Any]) -> None:
    assert to_python(array) == values
    assert array_of(to_python(array), array.type).equals(array)


def test_the_first_rendering_widens_small_floats_bit_by_bit() -> None:
    assert to_python(pa.array([0.1], pa.float32()), shortest=False) == [0.10000000149011612]


@given(st.lists(st.floats(width=32) | st.none()))
def test_the_shortest_text_of_a_small_float_means_the_same_float(values: list[float | None]) -> None:
    array = pa.array(values, pa.float32())
    again = pa.array(to_python(array), pa.float64()).cast(pa.float32(), safe=False)
    assert repr(again.to_pylist()) == repr(array.to_pylist())


def test_only_some_types_can_hold_what_python_cannot() -> None:
    assert [can_fail(kind) for kind in (pa.int64(), pa.string(), pa.float32(), pa.uuid())] == [False] * 4
    assert [can_fail(kind) for kind in (pa.timestamp("us"), pa.list_(pa.date32()), pa.date64())] == [True] * 3


def test_types_widen_to_one_that_holds_both() -> None:
    assert wider(None, pa.int8()) == pa.int8()
    assert wider(pa.int64(), pa.float64()) == pa.float64()
    assert wider(pa.int64(), pa.string()) == pa.string()
    assert as_type(pa.array([2**53 + 1]), pa.float64()) is None
    assert as_type(pa.array([1, None]), pa.string()).to_pylist() == ["1", None]
