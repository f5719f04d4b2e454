"""What the runs on a journal wrote: so that no file is replaced that somebody else made, or has edited since.

Each file of a job is recorded, with its size, its SHA-256 and its rows, just before it gets its name. A run that is
killed between the two leaves the file that was recorded before, so the last two records are kept.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from kaizen_batch.errors import ConfigError
from kaizen_batch.files.job import FileJob
from kaizen_batch.files.names import is_stream, path_text
from kaizen_batch.journal import Journal, JournalWriter
from kaizen_batch.results.texts.numbers import counted

_FIX = "pass overwrite=True to replace it, or choose another output"
_KEPT = 2
Written = dict[str, Any]
"""`size`, `sha256` and `rows` of one file."""


class WrittenFiles:
    """Records the files of a job in its journal; made by `remembering`."""

    def __init__(self, path: Path, journal: JournalWriter) -> None:
        self._path = path
        self._journal = journal

    def add(self, part: Path, target: Path, rows: int) -> None:
        """`part` is about to become `target`."""
        facts = {**_facts_of(part), "rows": rows}
        before = _written(self._path, target)
        self._journal.shared.keep(_name_of(target, self._path), [facts, *before][:_KEPT])


async def remembering(journal: str | os.PathLike[str] | None, stack: AsyncExitStack) -> WrittenFiles | None:
    """Have the journal open until the stack closes, and record files in it; None without a journal."""
    if journal is None:
        return None
    opened = Journal(journal)
    return WrittenFiles(opened.path, await stack.enter_async_context(opened.writing()))


def check_replacing(job: FileJob, journal: str | os.PathLike[str] | None, rows: int | None) -> None:
    """Raise ConfigError for a file that the job must not replace; `rows` is how many it has, None if unknown."""
    if job.overwrite:
        return
    path = Path(os.path.realpath(journal)) if journal is not None else None
    for role, file in _existing(job):
        written = _written(path, file)
        if written:
            _check_unchanged(file, role, written)
        if role == "output":
            _check_output(path_text(job.output), path, written, rows)


def _check_output(output: str, journal: Path | None, written: list[Written], rows: int | None) -> None:
    if not written and not _is_output_of(journal, output):
        why = "there is no journal" if journal is None else f"no run in {_shown(journal)!r} wrote it"
        raise ConfigError(f"{output!r} exists, and {why}: {_FIX}")
    before = written[0]["rows"] if written else 0
    if rows is not None and rows < before:
        raise ConfigError(
            f"{output!r} has {counted(before, 'row')}, and this run would replace them by at most {rows:,}: {_FIX}"
        )


def _existing(job: FileJob) -> Iterator[tuple[str, Path]]:
    for role, path in (("output", job.output), ("failed", job.failed or ""), ("partial", job.partial)):
        text = path_text(path)
        file = Path(os.path.realpath(text))
        if text and not is_stream(text) and file.is_file() and file.stat().st_size:
            yield role, file


def _check_unchanged(file: Path, role: str, written: list[Written]) -> None:
    size = file.stat().st_size
    if any(size == each["size"] for each in written):
        digest = _facts_of(file)["sha256"]
        if any(digest == each["sha256"] for each in written):
            return
    use = "; to process its rows, make it the input and choose another output" if role == "failed" else ""
    raise ConfigError(
        f"{_shown(file)!r} was changed after a run wrote it, and this run would replace it: rename it to keep the"
        f" changes, or pass overwrite=True to discard them{use}"
    )


def _shown(file: Path) -> str:
    """The path from here, if that is shorter."""
    return min(str(file), os.path.relpath(file), key=len)


def _facts_of(file: Path) -> Written:
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return {"size": file.stat().st_size, "sha256": digest}


def _name_of(target: Path, journal: Path) -> str:
    """The name of the fact: relative to the journal, so that a folder can be moved."""
    return f"file {os.path.relpath(target, journal.parent)}"


def _written(journal: Path | None, target: Path) -> list[Written]:
    """What the last runs wrote there, the latest first. Raises: JournalError."""
    if journal is None or not _has_begun(journal):
        return []
    found = Journal(journal).kept(_name_of(target, journal))
    return found if isinstance(found, list) else []


def _has_begun(journal: Path) -> bool:
    """Whether there is a journal with something in it."""
    return journal.is_file() and journal.stat().st_size > 0


def _is_output_of(journal: Path | None, output: str) -> bool:
    """Whether a run of an earlier version wrote it, which recorded names only."""
    if journal is None or not _has_begun(journal):
        return False
    labels = [run.description.get("config", {}).get("labels", {}) for run in Journal(journal).runs()]
    return any(
        os.path.realpath(Path(each.get("folder", ".")) / path_text(each["output"])) == os.path.realpath(output)
        for each in labels
        if "output" in each
    )
