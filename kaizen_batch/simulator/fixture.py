"""A pytest fixture: put `pytest_plugins = ["kaizen_batch.simulator.fixture"]` into your conftest.py."""

from collections.abc import Iterator

import pytest

from kaizen_batch.simulator.server import Simulator


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """A running simulator without latency or faults, for one test."""
    with Simulator() as running:
        yield running
