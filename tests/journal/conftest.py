"""A stall of the journal's thread, the files of a crash, and a short way to begin a call."""

import hashlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from kaizen_batch.journal.store import Store


class Stall:
    """Stalls the journal's thread in front of a transaction while it is shut."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.is_open = Event()
        self.reached = Event()
        self.fault: Exception | None = None
        self.is_open.set()
        steps = Store._steps

        def stalled(store: Store, *values: Any) -> None:
            self.reached.set()
            assert self.is_open.wait(10)
            if self.fault is not None:
                raise self.fault
            steps(store, *values)

        patch.setattr(Store, "_steps", stalled)

    def shut(self) -> None:
        self.reached.clear()
        self.is_open.clear()

    def open(self) -> None:
        self.is_open.set()


@pytest.fixture
def stall(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stall]:
    stall = Stall(monkeypatch)
    yield stall
    stall.open()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.db"


@pytest.fixture
def key_of() -> Callable[[int], bytes]:
    return lambda item: hashlib.sha256(str(item).encode()).digest()


@pytest.fixture
def crash() -> Callable[[Path, str], Path]:
    """What a killed process leaves: the file and its -wal as they stand, without the -shm."""

    def copy(path: Path, name: str) -> Path:
        to = path.with_name(name)
        for end in ("", "-wal"):
            if Path(f"{path}{end}").exists():
                shutil.copyfile(f"{path}{end}", f"{to}{end}")
        return to

    return copy
