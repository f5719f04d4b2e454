"""Texts for whoever reads them: a program has options, the command line has flags.

Messages are written with the names of Python's options. A front end that calls them otherwise sets its own phrasing,
which also holds for what is written into files, such as the errors of failed rows.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Phrasing = Callable[[str], str]

_phrasing: ContextVar[Phrasing | None] = ContextVar("phrasing", default=None)


def phrased(text: str) -> str:
    """The text in the words of the front end.

    >>> phrased("raise budget_usd")
    'raise budget_usd'
    """
    phrasing = _phrasing.get()
    return text if phrasing is None else phrasing(text)


@contextmanager
def phrasing(how: Phrasing) -> Iterator[None]:
    """Inside it, and in the tasks begun in it, texts are phrased like this."""
    token = _phrasing.set(how)
    try:
        yield
    finally:
        _phrasing.reset(token)
