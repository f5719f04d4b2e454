"""A bucket, or what corresponds to it, for the tests of object storage."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.distributed.namespace import give_up, installed
from tests.distributed.objects import AZURITE, azure, s3


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty bucket; temporary files are those of the test."""
    installed("obstore")
    installed("moto")
    with s3() as (url, environment):
        for name, value in {**environment, "TMPDIR": str(tmp_path)}.items():
            monkeypatch.setenv(name, value)
        yield url


@pytest.fixture
def container(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of an empty container of Azure Blob Storage."""
    installed("obstore")
    if not AZURITE.exists():
        give_up("Azurite is not installed: run .ci/distributed")
    with azure() as (url, environment):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        yield url


@pytest.fixture(params=["bucket", "container"])
def place(request: pytest.FixtureRequest) -> str:
    """Either of them."""
    url: str = request.getfixturevalue(request.param)
    return url
