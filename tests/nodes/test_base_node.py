"""DataNode: data passes unchanged, unknown inputs are refused, errors keep their cause."""

import asyncio
from typing import Any

import pandas
import pytest
from kailash.sdk_exceptions import NodeExecutionError, NodeValidationError

from kaizen_batch import ConfigError
from kaizen_batch.nodes.base_node import DataNode, items_of, rows_of
from kaizen_batch.nodes.catalog import described
from kaizen_batch.nodes.kailash_types import NodeParameter


class Echo(DataNode):
    """Returns its inputs, or raises one of them."""

    def get_parameters(self) -> dict[str, NodeParameter]:
        return {name: described(name, list, "Anything.") for name in ("data", "error")}

    async def async_run(self, data: Any = None, error: Any = None) -> dict[str, Any]:
        if error is not None:
            raise error
        return {"data": data}


@pytest.mark.parametrize("data", ["text", "see ${data} and ${error}", {"a": 1}, 7, [object()], "x" * 20_000])
def test_data_passes_unchanged(data: Any) -> None:
    assert Echo().execute(data=data)["data"] is data
    assert Echo(data=data).execute()["data"] is data


def test_a_run_time_input_wins_for_one_execution() -> None:
    node = Echo(data="configured")
    assert [node.execute(data="given")["data"], node.execute()["data"]] == ["given", "configured"]
    assert node.execute(data=None)["data"] == "configured"  # a branch of the graph that gave nothing


async def test_it_runs_inside_a_running_loop() -> None:
    assert Echo().execute(data=1) == await Echo().execute_async(data=1) == {"data": 1}


def test_names_that_kailash_adds_are_no_inputs() -> None:
    assert Echo().execute(data=1, context={}, resource_registry=object(), _private=1) == {"data": 1}


@pytest.mark.parametrize("name", ["date", "config", "anything"])
def test_an_unknown_input_is_refused(name: str) -> None:
    with pytest.raises(NodeValidationError, match=f"unknown input '{name}'") as caught:
        Echo().execute(**{name: 1})
    assert isinstance(caught.value.__cause__, ConfigError)


def test_errors_keep_their_cause() -> None:
    wrong = ValueError("no such thing")
    with pytest.raises(NodeExecutionError, match="'Echo' failed: ValueError: no such thing") as caught:
        Echo().execute(error=wrong)
    assert caught.value.__cause__ is wrong
    with pytest.raises(NodeExecutionError, match=r"^own$"):
        Echo().execute(error=NodeExecutionError("own"))
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(Echo().execute_async(error=asyncio.CancelledError()))


@pytest.mark.parametrize("value", [["a"], ("a",), {"a": 1}.keys(), iter("a"), {"result": ["a"]}, pandas.Series(["a"])])
def test_whatever_can_be_iterated_over_is_a_list_of_items(value: Any) -> None:
    assert list(items_of(value, "batch")) == ["a"]  # type: ignore[arg-type]


@pytest.mark.parametrize("value", ["a", b"a", {"a": 1}, {"result": ["a"], "more": 1}, {"result": "a"}, 7])
def test_what_is_no_list_of_items_is_an_error_that_names_it(value: Any) -> None:
    with pytest.raises(ConfigError, match="'batch' must be a list or another iterable of items; given: a "):
        items_of(value, "batch")


def test_rows_are_needed_at_once() -> None:
    async def rows() -> Any:
        yield {}

    with pytest.raises(ConfigError, match="'rows' must be a list; given: the asynchronous async_generator"):
        rows_of(rows(), "rows")
    assert rows_of(pandas.DataFrame({"a": [1]}), "rows") == [{"a": 1}]
