"""Libraries of the extras: each is imported on first use, or its absence says how to install it."""

import sys

import pytest

from kaizen_batch.errors import RecordError
from kaizen_batch.files.libraries import library


def test_a_library_that_is_there_is_imported() -> None:
    assert library("wsgiref.headers", "any", "a test") is sys.modules["wsgiref.headers"]


def test_a_missing_library_is_an_error_with_the_command_that_installs_it() -> None:
    with pytest.raises(RecordError, match=r"a sheet needs an extra: pip install 'kaizen-batch\[excel\]'") as caught:
        library("no_such_library.part", "excel", "a sheet")
    assert caught.value.code == "missing_extra"
