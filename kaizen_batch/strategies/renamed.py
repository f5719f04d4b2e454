"""Parameters that were renamed: the old name works for one more release, with a warning."""

import warnings
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def renamed(**new_names: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Let a function take keywords under their old names.

    >>> @renamed(items="batch")
    ... def count(batch):
    ...     return len(batch)
    """

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            for old in kwargs.keys() & new_names.keys():
                new = new_names[old]
                text = f"the argument {old!r} of {function.__name__} is now {new!r}; {old!r} works until 0.3"
                warnings.warn(text, DeprecationWarning, stacklevel=2)
                kwargs[new] = kwargs.pop(old)
            return function(*args, **kwargs)

        return call

    return decorate
