"""Objects by their URL, without a store; with one, see tests/distributed/test_object_folder.py."""

import sys

import pytest

from kaizen_batch import ConfigError, RecordError
from kaizen_batch.files.inputs import expanded
from kaizen_batch.files.objects import asking, is_url, open_object


@pytest.mark.parametrize("path", ["s3://bucket/a.csv", "gs://bucket/a.csv", "az://container/a.csv"])
def test_a_url_is_told_from_a_path(path: str) -> None:
    assert is_url(path) and not is_url(path.replace("://", ":/")) and not is_url("a.csv")


def test_without_the_library_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    with pytest.raises(RecordError, match=r"kaizen-batch\[cloud\]"):
        open_object("s3://a-bucket-that-is-asked-for-once/a.csv")


@pytest.mark.parametrize(
    ("error", "said"), [(OSError("no\nmore"), "no"), (OSError(), "OSError"), (OSError("x" * 999), "x ...")]
)
def test_a_refusal_is_one_short_line(error: OSError, said: str) -> None:
    with pytest.raises(RecordError) as caught, asking("s3://b/a"):
        raise error
    assert caught.value.message.startswith("'s3://b/a': the object store says: ")
    assert caught.value.message.endswith(said) and len(caught.value.message) < 400


def test_what_is_not_there_is_for_the_reader_to_say_and_a_missing_bucket_for_the_writer() -> None:
    with pytest.raises(FileNotFoundError), asking("s3://b/a"):
        raise FileNotFoundError
    said = "'s3://b/c/a' cannot be written: there is no 's3://b'"
    with pytest.raises(RecordError, match=said), asking("s3://b/c/a", writes=True):
        raise FileNotFoundError


def test_a_pattern_cannot_name_objects() -> None:
    with pytest.raises(ConfigError, match="a pattern cannot name objects"):
        expanded("s3://bucket/*.csv")
