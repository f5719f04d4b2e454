"""How people call an item: one function, so that everything calls it the same."""

from kaizen_batch.results.texts.numbers import count
from kaizen_batch.results.texts.terminal import one_line

_LONGEST = 80


def item_name(index: int, noun: str = "item", name: str | None = None) -> str:
    """A row by its name, else counted from 1; an item of a program by the index of its result.

    >>> item_name(16, "row", "T-17"), item_name(16, "row"), item_name(16)
    ('row T-17', 'row 17', 'item 16')
    """
    if name is not None:
        return f"{noun} {one_line(name, _LONGEST)}"
    return f"{noun} {count(index + (noun == 'row'))}"
