"""What a driver makes of the end of a task; the rest is proved on a cluster, in test_ray_executor.py."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from kaizen_batch import ConfigError, JournalError
from kaizen_batch.distributed.ray_driver import Driver, DriverOptions


class RayTaskError(Exception):
    """Ray's own, with the error of the task as its cause."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


def why(outcome: Any) -> str | None:
    driver = object.__new__(Driver)
    driver._ray = SimpleNamespace(exceptions=SimpleNamespace(RayTaskError=RayTaskError))
    driver._options = DriverOptions(workers=2, retries=3)
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
    return driver._why_failed(future)


async def test_the_end_of_a_task_says_why_a_shard_is_not_done() -> None:
    assert why({"stopped": None}) is None
    assert why({"stopped": "BudgetExhaustedError: no more"}) == "BudgetExhaustedError: no more"
    assert why(RayTaskError(JournalError("in use"))) == "in use"
    assert why(RayTaskError(ValueError("odd"))) == "ValueError: odd"
    assert why(RuntimeError("crashed")) == "its worker died 4 times (RuntimeError)"


async def test_a_wrong_option_ends_the_job() -> None:
    with pytest.raises(ConfigError, match="has changed"):
        why(RayTaskError(ConfigError("the input has changed")))
