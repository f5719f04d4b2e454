"""What names say of files."""

from pathlib import Path

import pytest

from kaizen_batch import ConfigError
from kaizen_batch.files.names import Kind, kind_of, path_text, stem_of


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.jsonl", Kind("jsonl")),
        ("a.NDJSON", Kind("jsonl")),
        ("a.b.csv", Kind("csv")),
        ("a.tsv.gz", Kind("tsv", "gzip")),
        ("a.csv.bz2", Kind("csv", "bz2")),
        ("a.csv.XZ", Kind("csv", "xz")),
        ("a.jsonl.zst", Kind("jsonl", "zstd")),
        ("a.parquet", Kind("parquet")),
        ("-", Kind("jsonl")),
    ],
)
def test_the_name_says_format_and_compression(name: str, kind: Kind) -> None:
    assert kind_of(name) == kind


def test_a_format_that_is_given_wins_over_the_name_and_the_compression_stays() -> None:
    assert kind_of("a.txt", "csv") == Kind("csv")
    assert kind_of("a.txt.gz", "ndjson") == Kind("jsonl", "gzip")
    assert kind_of("-", "tsv") == Kind("tsv")


@pytest.mark.parametrize("name", ["a", "a.txt", "a.gz", ".csv/a", "a.zip"])
def test_a_name_that_says_nothing_is_an_error_that_lists_the_formats(name: str) -> None:
    with pytest.raises(ConfigError, match=r"does not say the format.*jsonl, csv, tsv, psv, parquet"):
        kind_of(name)


def test_a_wrong_format_is_named_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="no format 'parkuet': did you mean 'parquet'"):
        kind_of("a", "parkuet")


def test_parquet_is_not_compressed_twice() -> None:
    with pytest.raises(ConfigError, match=r"leave out \.gz"):
        kind_of("a.parquet.gz")


@pytest.mark.parametrize(
    ("name", "stem"),
    [("d/a.csv", "d/a"), ("a.b.csv.gz", "a.b"), ("a", "a"), ("a.txt", "a.txt"), ("a.failed.csv", "a.failed")],
)
def test_the_stem(name: str, stem: str) -> None:
    assert stem_of(name) == stem


def test_a_path_is_a_text_or_a_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    assert path_text(Path("a/b.csv")) == "a/b.csv"
    assert path_text("~/b.csv") == "/home/someone/b.csv"
    for wrong in (None, 7, "", b"a.csv"):
        with pytest.raises(ConfigError, match="is given by its path"):
            path_text(wrong)  # type: ignore[arg-type]
