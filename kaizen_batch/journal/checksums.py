"""Checksums of rows, by which damage on the disk is noticed: they show damage, not malice.

CRC-32 misses one damaged row in four billion. Texts are compared as they were given: half a surrogate pair, which UTF-8
cannot hold, is kept as bytes.
"""

import zlib
from collections.abc import Sequence
from typing import Any

from kaizen_batch.journal.schema import ANSWER_COLUMNS

Cells = Sequence[Any]
"""The columns of a row, as SQLite returns them."""

# The spelling of an answer that its checksum is made of. Not repr: what that escapes depends on Python's version.
_CHECKED = "\x1f".join(["%s"] * (len(ANSWER_COLUMNS) - 1))


def checksum(key: bytes, cells: Sequence[object]) -> int:
    """The checksum of a request's answer, as the columns but for `answer_check`."""
    return zlib.crc32((_CHECKED % tuple(cells)).encode("utf-8", "surrogatepass"), zlib.crc32(key))


def is_intact(key: bytes, cells: Cells) -> bool:
    """Whether the values of `schema.ANSWER_COLUMNS` are those that were written; no answer at all is intact, too."""
    answer, check = cells[:-1], cells[-1]
    if check is None:
        return all(cell is None for cell in answer)
    try:
        return bool(checksum(key, answer) == check or _with_bytes(key, answer) == check)
    except (TypeError, UnicodeError):
        return False


def _with_bytes(key: bytes, answer: Cells) -> int | None:
    """The checksum of an answer some of whose texts are kept as bytes."""
    return checksum(key, [as_text(cell) for cell in answer]) if bytes in map(type, answer) else None


def row_checksum(cells: Sequence[object]) -> int:
    """The `row_check` of a row: of its other cells, which are texts, numbers, bytes or None."""
    return zlib.crc32(b"\x1f".join(map(_spelled, cells)))


def input_row_checksum(cells: tuple[bytes, int, str | None, bytes | None, str]) -> int:
    """The `row_checksum` of the cells of `rows`, in a third of the time."""
    run, number, name, key, status = cells
    spelled = (run, b"%d" % number, (name or "").encode("utf-8", "surrogatepass"), key or b"", status.encode())
    return zlib.crc32(b"\x1f".join(spelled))


def is_row_intact(cells: Cells, check: object) -> bool:
    """Whether a row has the cells that were written; one without a checksum is taken as it is."""
    return check is None or row_checksum(cells) == check


def _spelled(cell: object) -> bytes:
    if isinstance(cell, str):
        return cell.encode("utf-8", "surrogatepass")
    if isinstance(cell, bytes):
        return cell
    if isinstance(cell, float):  # 1 comes back as 1.0
        return b"%d" % cell if cell.is_integer() else repr(cell).encode()
    return b"%d" % cell if isinstance(cell, int) else b""


def as_bytes(value: object) -> object:
    """A text that UTF-8 cannot hold (half a surrogate pair, as models do send) as bytes; anything else as it is."""
    if not isinstance(value, str):
        return value
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-8", "surrogatepass")
    return value


def as_text(value: object) -> Any:
    return value.decode("utf-8", "surrogatepass") if type(value) is bytes else value
