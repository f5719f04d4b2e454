"""A bucket for the tests of object storage."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.distributed.namespace import installed
from tests.distributed.objects import s3


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty bucket; temporary files are those of the test."""
    installed("obstore")
    installed("moto")
    with s3() as (url, environment):
        for name, value in {**environment, "TMPDIR": str(tmp_path)}.items():
            monkeypatch.setenv(name, value)
        yield url
