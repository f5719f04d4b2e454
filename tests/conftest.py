"""Shared fixtures. pytest-socket blocks the network except for 127.0.0.1; no key or option of this machine is read."""

import asyncio
import inspect
import os
import warnings
from contextlib import suppress

import pytest

pytest_plugins = ["kaizen_batch.simulator.fixture", "tests.browser"]


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name in [name for name in os.environ if name.startswith("KAIZEN_")]:
        monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _no_loop_left_over(request: pytest.FixtureRequest) -> None:
    # pytest-asyncio leaves an idle loop in this thread. The first `asyncio.run` of a synchronous test would drop it
    # unclosed, and its ResourceWarning would fail a random test.
    if inspect.iscoroutinefunction(request.function):
        return
    with warnings.catch_warnings(), suppress(RuntimeError):
        warnings.simplefilter("ignore", DeprecationWarning)
        asyncio.get_event_loop_policy().get_event_loop().close()
    asyncio.set_event_loop(None)
