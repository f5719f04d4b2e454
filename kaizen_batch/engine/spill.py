"""Where results go that wait behind a missing one, so that order does not bound a run: a file without a name."""

import os
import pickle
import weakref
from array import array
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO, cast

_LENGTH_BYTES = 8


class Spill:
    """Keeps values by their positions in a file of the folder, in constant memory but for 8 bytes each.

    >>> spill = Spill(Path("folder"))
    >>> spill.put(7, ("a result", {"a": "row"}))  # False if it cannot be kept: the disk is full, or it is no data
    True
    >>> spill.take(7)
    ('a result', {'a': 'row'})

    The file is made when it is needed. Where the system can, it never has a name; elsewhere it is removed as soon as
    it is open: a killed process leaves nothing behind, and nobody else can read it or put something into it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: BinaryIO | None = None
        self._first = 0
        self._ends = 0
        self._offsets = array("q")  # by position from the first; -1: not here
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, position: int) -> bool:
        return self._count > 0 and self._offset(position) >= 0

    def put(self, position: int, value: object) -> bool:
        """Keep a value, with a position above all that were taken; False if that is not possible."""
        try:
            data = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
            pickle.loads(data)  # a class may say how it is written, and not how it is read
        except Exception:
            return False
        try:
            offset = self._append(data)
        except OSError:
            return False
        if not self._count:
            self._first, self._offsets = position, array("q")
        elif position < self._first:
            self._offsets = array("q", [-1] * (self._first - position)) + self._offsets
            self._first = position
        missing = position - self._first + 1 - len(self._offsets)
        if missing > 0:
            self._offsets.extend([-1] * missing)
        self._offsets[position - self._first] = offset
        self._count += 1
        return True

    def take(self, position: int) -> object:
        """A value that is here; it is gone then."""
        value = self._read(self._offset(position))
        self._offsets[position - self._first] = -1
        self._count -= 1
        if not self._count:
            self._empty()
        return value

    def positions(self) -> list[int]:
        """The positions of the values that are here, in order."""
        return [self._first + number for number, offset in enumerate(self._offsets) if offset >= 0]

    def _offset(self, position: int) -> int:
        number = position - self._first
        return self._offsets[number] if 0 <= number < len(self._offsets) else -1

    def _append(self, data: bytes) -> int:
        file, offset = self._opened(), self._ends
        file.seek(offset)
        for piece in (len(data).to_bytes(_LENGTH_BYTES, "little"), data):
            view = memoryview(piece)
            while view:
                view = view[file.write(view) :]
        self._ends = offset + _LENGTH_BYTES + len(data)
        return offset

    def _read(self, offset: int) -> object:
        file = self._opened()
        file.seek(offset)
        size = int.from_bytes(_exactly(file, _LENGTH_BYTES), "little")
        return pickle.loads(_exactly(file, size))

    def _opened(self) -> BinaryIO:
        if self._file is None:
            self._file = cast(BinaryIO, TemporaryFile(dir=self._folder, buffering=0))  # noqa: SIM115 - closed below
            weakref.finalize(self, self._file.close)
        return self._file

    def _empty(self) -> None:
        """Give the room on the disk back."""
        self._offsets, self._ends = array("q"), 0
        with suppress(OSError):
            os.ftruncate(self._opened().fileno(), 0)


def _exactly(file: BinaryIO, size: int) -> bytes:
    parts, left = list[bytes](), size
    while left:
        part = file.read(left)
        if not part:
            raise OSError("the file of waiting results is shorter than what was written to it")
        parts.append(part)
        left -= len(part)
    return b"".join(parts)
