"""SQLite's write-ahead log, read by hand: whether the one beside a database is whole, and belongs to it.

SQLite itself stops at the first frame that does not fit and says nothing, since after a power cut a torn end is normal.
A log that lost its end in another way would then cost every answer in it without a word. Two witnesses say how long it
must be: the index (`-shm`), which counts the committed frames, and later frames of the same log.
Source: https://www.sqlite.org/fileformat2.html#the_write_ahead_log and .../walformat.html.
"""

import struct
import sys
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_HEADER = 32
_FRAME = 24
_MAGIC = (0x377F0682, 0x377F0683)
_INDEX_COPY = 48


@dataclass(frozen=True)
class WalState:
    """What a log holds: frames up to the last commit, frames that fit but were not committed, and those after.

    `valid` counts the frames of complete transactions; `later` says whether the same log goes on after one that does
    not fit, `expected` how many frames the index counts, or None if it says nothing of this log.
    """

    valid: int
    torn: int
    later: bool
    expected: int | None

    @property
    def is_damaged(self) -> bool:
        """Whether something is missing that was committed."""
        return self.later or (self.expected is not None and self.expected > self.valid)


def has_wal(database: Path) -> bool:
    """Whether there is a log beside a database, and anything in it."""
    path = Path(f"{database}-wal")
    return path.is_file() and path.stat().st_size > 0


def read_wal(database: Path, *, with_index: bool) -> WalState | None:
    """The state of the log beside a database; None if there is none, or not even a beginning of one."""
    path = Path(f"{database}-wal")
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    header = _header(content)
    if header is None:
        return None
    order, page, salts, total = header
    valid, fitting = 0, 0
    for number, (head, data) in enumerate(_frames(content, page), 1):
        if head[8:16] != salts:
            break
        total = _checksum(order, head[:8] + data, total)
        if struct.unpack(">II", head[16:24]) != total:
            break
        fitting = number
        if head[4:8] != b"\0\0\0\0":  # a commit: the size of the database after it
            valid = number
    later = _goes_on(content, page, salts, fitting)
    torn = sum(head[8:16] == salts for head, _ in _frames(content, page)) - valid
    return WalState(valid, torn, later, _expected(database, salts) if with_index else None)


def last_pages(database: Path) -> dict[int, bytes]:
    """Each page that the log holds, as its last commit left it."""
    content = Path(f"{database}-wal").read_bytes()
    header = _header(content)
    state = read_wal(database, with_index=False)
    if header is None or state is None:
        return {}
    frames = list(_frames(content, header[1]))[: state.valid]
    return {int.from_bytes(head[:4], "big"): data for head, data in frames}


def _header(content: bytes) -> tuple[str, int, bytes, tuple[int, int]] | None:
    if len(content) < _HEADER:
        return None
    magic, _, page, _, _, _, one, two = struct.unpack(">8I", content[:_HEADER])
    if magic not in _MAGIC or page < 512 or page > 65536 or page & (page - 1):
        return None
    order = "big" if magic & 1 else "little"
    total = _checksum(order, content[:24], (0, 0))
    return (order, page, content[16:24], total) if total == (one, two) else None


def _frames(content: bytes, page: int) -> Iterator[tuple[bytes, bytes]]:
    size = _FRAME + page
    for start in range(_HEADER, len(content) - size + 1, size):
        yield content[start : start + _FRAME], content[start + _FRAME : start + size]


def _goes_on(content: bytes, page: int, salts: bytes, fitting: int) -> bool:
    """Whether a transaction was committed after the one that the first frame that does not fit belongs to.

    Each commit is on the disk before the next begins, so the earlier one was whole once.
    """
    after = [head for head, _ in _frames(content, page)][fitting:]
    commits = [place for place, head in enumerate(after) if head[8:16] == salts and head[4:8] != b"\0\0\0\0"]
    return bool(commits) and any(head[8:16] == salts for head in after[commits[0] + 1 :])


def _checksum(order: str, data: bytes, total: tuple[int, int]) -> tuple[int, int]:
    words = array("I", data)
    if order != sys.byteorder:
        words.byteswap()
    one, two = total
    for place in range(0, len(words), 2):
        one = one + words[place] + two & 0xFFFFFFFF
        two = two + words[place + 1] + one & 0xFFFFFFFF
    return one, two


def _expected(database: Path, salts: bytes) -> int | None:
    """The number of committed frames, by the index; None if it is not there, damaged, or of another log."""
    try:
        content = Path(f"{database}-shm").read_bytes()[: 2 * _INDEX_COPY]
    except OSError:
        return None
    first, second = content[:_INDEX_COPY], content[_INDEX_COPY:]
    if len(second) < _INDEX_COPY or first != second or first[32:40] != salts:
        return None
    if struct.unpack("=II", first[40:48]) != _checksum(sys.byteorder, first[:40], (0, 0)):
        return None
    return int(struct.unpack("=I", first[16:20])[0])
