"""Fixtures of the tests with other packages of Kailash."""

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture
def garbage_collected() -> Iterator[None]:
    """What these packages leave open is finalized within the test, whose filters know it, and not in a later one."""
    yield
    gc.collect()
