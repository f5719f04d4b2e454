"""docs/failures.md lists every error that an item can have or that ends a run, with its code."""

import re
from collections.abc import Iterator

import pytest

from kaizen_batch import errors
from tests.docs.pages import DOCS

TEXT = (DOCS / "failures.md").read_text(encoding="utf-8")
NOT_ABOUT_ITEMS = {
    "ConfigError",
    "SignatureError",
    "BatchError",
    "JournalError",
    "RecordError",
    "StoppedError",
    "IncompleteRunError",
}


def leaves(kind: type[errors.KaizenBatchError]) -> Iterator[type[errors.KaizenBatchError]]:
    """The errors that are raised themselves: those without subclasses, and two that have some."""
    below = kind.__subclasses__()
    if kind.__module__ == errors.__name__ and (not below or kind in (errors.InputError, errors.ServerError)):
        yield kind
    for each in below:
        yield from leaves(each)


@pytest.mark.parametrize("kind", list(leaves(errors.KaizenBatchError)), ids=lambda kind: kind.__name__)
def test_an_error_is_listed_with_its_code(kind: type[errors.KaizenBatchError]) -> None:
    if kind.__name__ not in NOT_ABOUT_ITEMS:
        [codes] = re.findall(rf"^\| `{kind.__name__}` \| ([^|]*) \|", TEXT, re.MULTILINE)
        assert f"`{kind.default_code}`" in codes
