"""Files in one line."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from kaizen_batch import open_records, record_writer

Read: TypeAlias = Callable[..., list[dict[str, Any]]]
Write: TypeAlias = Callable[..., Path]


@pytest.fixture
def read() -> Read:
    """All rows of a file."""

    def read(path: Path | str, **options: Any) -> list[dict[str, Any]]:
        with open_records(path, **options) as records:
            return list(records)

    return read


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A file with these rows, in the folder of the test."""

    def write(name: str, rows: Iterable[dict[str, Any]], **options: Any) -> Path:
        with record_writer(tmp_path / name, **options) as writer:
            for row in rows:
                writer.write(row)
        return tmp_path / name

    return write
