"""What a file's name says: its format, its compression, its stem."""

import os
import stat
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from kaizen_batch.errors import ConfigError, did_you_mean

STANDARD = "-"
_STANDARD_STREAMS = {"/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2}
_DESCRIPTORS = ("/dev/fd", "/proc/self/fd")
"""Standard input or standard output, in place of a path."""

FORMATS = ("jsonl", "csv", "tsv", "psv", "parquet", "json", "arrow", "xlsx", "xls", "ods")
"""The formats of rows that can be read."""

WRITABLE = ("jsonl", "csv", "tsv", "psv", "parquet", "json", "arrow", "xlsx")
"""Those that can be written."""

DOCUMENTS = (".txt", ".md", ".html", ".htm", ".pdf", ".docx", ".pptx")
"""The documents that can be read, each as a row."""

TEXT_FORMATS = ("jsonl", "csv", "tsv", "psv", "json")

_SUFFIXES = {f".{name}": name for name in FORMATS} | {
    ".ndjson": "jsonl",
    ".tab": "tsv",
    ".pq": "parquet",
    ".feather": "arrow",
    ".ipc": "arrow",
}
BATCH_LINES = "openai-batch"
"""Lines of the field's batch files: read as JSON Lines, written in the form of their results."""

_ALIASES = {suffix[1:]: name for suffix, name in _SUFFIXES.items()} | {BATCH_LINES: "jsonl"}
_COMPRESSIONS = {".gz": "gzip", ".bz2": "bz2", ".xz": "xz", ".zst": "zstd", ".zstd": "zstd", ".zip": "zip"}


@dataclass(frozen=True, slots=True)
class Kind:
    """A format, one of FORMATS, and the compression around it (`gzip`, `bz2`, `xz`, `zstd`, `zip`), None for none."""

    format: str
    compression: str | None = None


def path_text(path: str | os.PathLike[str]) -> str:
    """A path as text, `~` expanded; `"-"` stays as it is. Raises: ConfigError for anything else."""
    if not isinstance(path, str | os.PathLike) or not os.fspath(path):
        raise ConfigError(
            f"a file is given by its path, or by '-' for standard input or output; given: {_described(path)}"
        )
    text = os.fspath(path)
    return text if text == STANDARD else os.path.expanduser(text)  # noqa: PTH111 - Path would turn "./-" into "-"


def kind_of(path: str, format: str | None = None) -> Kind:
    """The format and compression of a file by its name; `format` wins over the name.

    A standard stream is JSONL unless `format` says otherwise. Raises: ConfigError that lists the formats.
    """
    compression = _uncompressed(path)[1]
    found = _format_of(path) if format is None else _ALIASES.get(format, format)
    if found is None:
        raise ConfigError(
            f"the name {path!r} does not say the format: name it .csv, .tsv, .jsonl, .json, .parquet, .arrow or .xlsx "
            f"(or .csv.gz and the like), or pass the format: {', '.join(FORMATS)}"
        )
    if found not in FORMATS:
        raise ConfigError(f"no format {found!r}: {did_you_mean(found, FORMATS)}allowed are {', '.join(FORMATS)}")
    if found not in TEXT_FORMATS and compression not in (None, "zip"):
        raise ConfigError(f"{path!r}: {found} is compressed inside; leave out {Path(path).suffix}")
    return Kind(found, compression)


def _format_of(path: str) -> str | None:
    """What the name says, or what is in the zip."""
    if path == STANDARD:
        return "jsonl"
    name, compression = _uncompressed(path)
    if compression == "zip" and Path(name).suffix.lower() not in _SUFFIXES:
        name = _zip_member(path) or name
    return _SUFFIXES.get(Path(name).suffix.lower())


def written_kind_of(path: str, format: str | None = None) -> Kind:
    """The same for an output. Raises: ConfigError for a format that can only be read."""
    kind = kind_of(path, format)
    if format == BATCH_LINES:
        return Kind(BATCH_LINES, kind.compression)
    if kind.format not in WRITABLE or kind.compression == "zip":
        raise ConfigError(
            f"{path!r}: {kind.compression or kind.format} can be read but not written; "
            f"write one of {', '.join(WRITABLE)}, such as {Path(stem_of(path)).name}.xlsx or .csv.gz"
        )
    return kind


def stem_of(path: str) -> str:
    """The path without the suffixes of format and compression: `data/a.b.csv.gz` is `data/a.b`."""
    name, _ = _uncompressed(path)
    suffix = Path(name).suffix
    return name[: -len(suffix)] if suffix.lower() in _SUFFIXES else name


def partial_of(path: str) -> str:
    """Where the answered rows of a run that ended early go: `data/a.csv.gz` is `data/a.partial.csv.gz`."""
    stem = stem_of(path)
    return f"{stem}.partial{path[len(stem) :]}"


def says_rows(path: str) -> bool:
    """Whether the name is that of a file of rows."""
    return Path(_uncompressed(path)[0]).suffix.lower() in _SUFFIXES


def says_document(path: str) -> bool:
    """Whether the name is that of a document."""
    return Path(path).suffix.lower() in DOCUMENTS


def descriptor_of(path: str) -> int | None:
    """The number of the open file that a path such as `/dev/stdout` or `/dev/fd/3` means, whatever is behind it."""
    if path in _STANDARD_STREAMS:
        return _STANDARD_STREAMS[path]
    folder, _, number = path.rpartition("/")
    return int(number) if folder in _DESCRIPTORS and number.isdecimal() else None


def is_stream(path: str) -> bool:
    """Whether it can be read or written only once: a standard stream, a pipe, a device."""
    if path == STANDARD or descriptor_of(path) is not None:
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


def _zip_member(path: str) -> str | None:
    """The name of the only file in a zip; None if that cannot be told yet."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = members_of(archive)
    except (OSError, zipfile.BadZipFile):
        return None
    return names[0] if len(names) == 1 else None


def members_of(archive: zipfile.ZipFile) -> list[str]:
    """The files in a zip, without folders and what macOS adds."""
    return [
        name for name in archive.namelist() if not name.endswith("/") and PurePosixPath(name).parts[0] != "__MACOSX"
    ]


def _described(path: object) -> str:
    if hasattr(path, "columns") or hasattr(path, "schema"):
        return f"a {type(path).__name__}; for a DataFrame there is agent.run_frame(frame, template)"
    return repr(path)
