"""Objects by their URL, without a store; with one, see tests/distributed/test_object_folder.py."""

import sys

import pytest

from kaizen_batch import ConfigError, RecordError
from kaizen_batch.files.inputs import expanded
from kaizen_batch.files.objects import is_url, open_object, unreachable


@pytest.mark.parametrize("path", ["s3://bucket/a.csv", "gs://bucket/a.csv", "az://container/a.csv"])
def test_a_url_is_told_from_a_path(path: str) -> None:
    assert is_url(path) and not is_url(path.replace("://", ":/")) and not is_url("a.csv")


def test_without_the_library_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    with pytest.raises(RecordError, match=r"kaizen-batch\[cloud\]"):
        open_object("s3://a-bucket-that-is-asked-for-once/a.csv")


def test_a_refusal_is_one_line() -> None:
    assert "the object store says: no" in unreachable("s3://b/a", OSError("no\nmore")).message


def test_a_pattern_cannot_name_objects() -> None:
    with pytest.raises(ConfigError, match="a pattern cannot name objects"):
        expanded("s3://bucket/*.csv")
