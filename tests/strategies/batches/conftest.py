"""The journal's thread does not move a virtual clock."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .fake import exact_time


@pytest.fixture(autouse=True)
def _exact_time() -> Iterator[None]:
    with exact_time():
        yield


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.db"
