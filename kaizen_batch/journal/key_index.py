"""Which row has which key, in memory: a new item reads no disk, and the file needs no index of keys."""

from array import array
from threading import Lock

_SEGMENTS = 256
_LEAST = 16
_FULL = 0.6
_WORD = (1 << 64) - 1


class KeyIndex:
    """Finds the number of a key's row: open-addressing hash tables of 64-bit marks.

    >>> index = KeyIndex()
    >>> index.add(key)
    1
    >>> index.get(key)
    1

    12 bytes a slot, so 20 to 40 bytes a key. There are many small tables, which grow one by one: a large one would stop
    the loop for as long as it takes to move a million keys. A wrong number is found once in some 10**19 pairs of keys,
    and whoever reads the row sees it by its key. Any thread may read while another adds.
    Source: D. Knuth, The Art of Computer Programming, volume 3, 6.4, algorithm L.
    """

    def __init__(self) -> None:
        self._tables = [_empty(_LEAST) for _ in range(_SEGMENTS)]
        self._used = [0] * _SEGMENTS
        self._last = 0
        self._guard = Lock()

    def __len__(self) -> int:
        return sum(self._used)

    def get(self, key: bytes) -> int:
        """The number of the key's row, 0 if there is none."""
        mark = hash(key) & _WORD or 1  # a mark of 0 is an empty slot
        marks, rows, mask = self._tables[mark % _SEGMENTS]
        slot = mark >> 8 & mask
        while found := marks[slot]:
            if found == mark:
                return rows[slot]
            slot = slot + 1 & mask
        return 0

    def add(self, key: bytes) -> int:
        """The number of the key's row, the next one if it has none."""
        mark = hash(key) & _WORD or 1
        with self._guard:  # another thread may be adding it
            marks, rows, mask = self._tables[mark % _SEGMENTS]
            slot = mark >> 8 & mask
            while found := marks[slot]:
                if found == mark:
                    return rows[slot]
                slot = slot + 1 & mask
            row = self._last + 1
            self._put(mark, row)
        return row

    def load(self, key: bytes, row: int) -> None:
        """Note the row that a key has in the file; the first one, if it has several."""
        self._last = max(self._last, row)
        if not self.get(key):
            self._put(hash(key) & _WORD or 1, row)

    def _put(self, mark: int, row: int) -> None:
        segment = mark % _SEGMENTS
        table = self._tables[segment]
        if self._used[segment] >= len(table[0]) * _FULL:
            table = self._tables[segment] = _grown(table)
        _insert(table, mark, row)
        self._used[segment] += 1
        self._last = max(self._last, row)


_Table = tuple["array[int]", "array[int]", int]


def _empty(size: int) -> _Table:
    return array("Q", bytes(8 * size)), array("I", bytes(4 * size)), size - 1


def _grown(table: _Table) -> _Table:
    marks, rows, _ = table
    larger = _empty(2 * len(marks))
    for mark, row in zip(marks, rows, strict=True):
        if mark:
            _insert(larger, mark, row)
    return larger


def _insert(table: _Table, mark: int, row: int) -> None:
    marks, rows, mask = table
    slot = mark >> 8 & mask
    while marks[slot]:
        slot = slot + 1 & mask
    rows[slot] = row  # before its mark, by which other threads find it
    marks[slot] = mark
