"""The loop that synchronous calls run on."""

import asyncio
import sys

import pytest

from kaizen_batch.concurrency.sync import run_sync

uvloop = pytest.importorskip("uvloop")


async def loop_of_the_call() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


def test_synchronous_calls_run_on_uvloop() -> None:
    assert isinstance(run_sync(loop_of_the_call), uvloop.Loop)


def test_without_uvloop_they_run_on_the_loop_of_asyncio(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert isinstance(run_sync(loop_of_the_call), asyncio.SelectorEventLoop)


async def test_inside_a_running_loop_they_run_in_a_thread() -> None:
    assert run_sync(loop_of_the_call) is not asyncio.get_running_loop()
