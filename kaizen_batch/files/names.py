"""What a file's name says: its format, its compression, its stem."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from kaizen_batch.errors import ConfigError, did_you_mean

STANDARD = "-"
"""Standard input or standard output, in place of a path."""

FORMATS = ("jsonl", "csv", "tsv", "parquet")

_SUFFIXES = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".tsv": "tsv", ".parquet": "parquet"}
_COMPRESSIONS = {".gz": "gzip", ".bz2": "bz2", ".xz": "xz", ".zst": "zstd"}


@dataclass(frozen=True, slots=True)
class Kind:
    """A format, one of FORMATS, and the compression around it (`gzip`, `bz2`, `xz`, `zstd`), None for none."""

    format: str
    compression: str | None = None


def path_text(path: str | os.PathLike[str]) -> str:
    """A path as text, `~` expanded; `"-"` stays what it is. Raises: ConfigError for anything else."""
    if not isinstance(path, str | os.PathLike) or not os.fspath(path):
        raise ConfigError(f"a file of rows is named by a path, or by '-' for a standard stream; given: {path!r}")
    text = os.fspath(path)
    return text if text == STANDARD else os.path.expanduser(text)  # noqa: PTH111 - Path would turn "./-" into "-"


def kind_of(path: str, format: str | None = None) -> Kind:
    """The format and compression of a file by its name; `format` wins over the name.

    A standard stream is JSONL unless `format` says otherwise. Raises: ConfigError that names the formats.
    """
    name, compression = _uncompressed(path)
    if format is None and path == STANDARD:
        format = "jsonl"
    found = format or _SUFFIXES.get(Path(name).suffix.lower())
    if found is None:
        raise ConfigError(
            f"{path!r} does not say its format: name it .jsonl, .ndjson, .csv, .tsv or .parquet (or .csv.gz and the "
            f"like), or pass the format: {', '.join(FORMATS)}"
        )
    found = {"ndjson": "jsonl"}.get(found, found)
    if found not in FORMATS:
        raise ConfigError(f"no format {found!r}: {did_you_mean(found, FORMATS)}allowed are {', '.join(FORMATS)}")
    if found == "parquet" and compression is not None:
        raise ConfigError(f"{path!r}: Parquet is compressed inside; leave out the {Path(path).suffix}")
    return Kind(found, compression)


def stem_of(path: str) -> str:
    """The path without the suffixes of format and compression: `data/a.b.csv.gz` is `data/a.b`."""
    name, _ = _uncompressed(path)
    suffix = Path(name).suffix
    return name[: -len(suffix)] if suffix.lower() in _SUFFIXES else name


def partial_of(path: str) -> str:
    """Where the answered rows of a run that ended early go: `data/a.csv.gz` is `data/a.partial.csv.gz`."""
    stem = stem_of(path)
    return f"{stem}.partial{path[len(stem) :]}"


def is_stream(path: str) -> bool:
    """Whether what is there can be read or written only once: a standard stream, a pipe, a device."""
    if path == STANDARD:
        return True
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 - not a Path: it makes "./-" a "-"
    except (OSError, ValueError):
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def shown(path: str, *, reading: bool) -> str:
    """How messages name a file."""
    if path == STANDARD:
        return "standard input" if reading else "standard output"
    return repr(path)


def _uncompressed(path: str) -> tuple[str, str | None]:
    suffix = Path(path).suffix
    compression = _COMPRESSIONS.get(suffix.lower())
    return (path[: -len(suffix)] if compression else path), compression
