"""Documents in: each is a row with its path, name, text and number of pages; long ones can be split.

Kreuzberg extracts the text of everything but plain text. Of the candidates it is the fastest with one small
dependency-free wheel: docs/files.md has the comparison. It makes no network request, and optical character
recognition is off. A document that cannot be read is a row that fails.
"""

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kaizen_batch.errors import InputError
from kaizen_batch.files.libraries import library
from kaizen_batch.files.rows import BrokenRow, Row

COLUMNS = ("path", "name", "text", "pages")
CHUNK_COLUMNS = ("path", "name", "chunk", "text", "pages")

_PLAIN = (".txt", ".md")
_CHARACTERS_EACH_TOKEN = 4
_OVERLAP = 10  # a tenth
_BREAKS = tuple(re.compile(pattern) for pattern in (r"\n\s*\n", r"[.!?]\s+|\n", r"\s+"))


class DocumentReader:
    """The documents of a list of files; `total` is known unless they are split."""

    def __init__(self, paths: list[str], chunk_tokens: int | None) -> None:
        self.columns: tuple[str, ...] = COLUMNS if chunk_tokens is None else CHUNK_COLUMNS
        self.total: int | None = len(paths) if chunk_tokens is None else None
        self._paths = paths
        self._chunk_tokens = chunk_tokens
        if any(Path(path).suffix.lower() not in _PLAIN for path in paths):
            _kreuzberg()

    def rows(self) -> Iterator[Row]:
        """A row for each document, or for each part of it."""
        for path in self._paths:
            row: dict[str, object] = {"path": path, "name": Path(path).name}
            try:
                text, pages = _extracted(Path(path))
            except Exception as error:
                why = " ".join(str(error).split())
                reason = InputError(f"the document cannot be read: {why}", code="document_unreadable")
                yield BrokenRow({**row, **dict.fromkeys(self.columns[2:])}, reason)
                continue
            if self._chunk_tokens is None:
                yield Row({**row, "text": text, "pages": pages})
                continue
            for number, part in enumerate(chunks(text, self._chunk_tokens), 1):
                yield Row({**row, "chunk": number, "text": part, "pages": pages})


def chunks(text: str, tokens: int) -> Iterator[str]:
    """The text in parts of at most about so many tokens, estimated at four characters each.

    Parts end at a paragraph, else at a sentence, else at a blank, and begin a tenth of their length before the end of
    the part before. A text that is short enough, or empty, is one part.
    """
    size = tokens * _CHARACTERS_EACH_TOKEN
    start = 0
    while len(text) - start > size:
        end = _break_before(text, start + size // 2, start + size)
        yield text[start:end].strip()
        overlapped = _break_before(text, start + 1, max(start + 2, end - size // _OVERLAP))
        start = overlapped if overlapped < end else end
    yield text[start:].strip() if start else text


def _break_before(text: str, least: int, most: int) -> int:
    """The last good place to break in this range; its end, if there is none."""
    for pattern in _BREAKS:
        found = [match.end() for match in pattern.finditer(text, least, most)]
        if found:
            return found[-1]
    return most


def _extracted(path: Path) -> tuple[str, int | None]:
    if path.suffix.lower() in _PLAIN:
        return path.read_text(encoding="utf-8-sig"), None
    kreuzberg = _kreuzberg()
    config = kreuzberg.ExtractionConfig(use_cache=False, disable_ocr=True)
    found = kreuzberg.extract_file_sync(str(path), config=config)
    return str(found.content).replace("\r\n", "\n"), _pages(path, found.metadata)


def _pages(path: Path, metadata: Any) -> int | None:
    if path.suffix.lower() == ".pptx":
        with zipfile.ZipFile(path) as archive:
            return sum(bool(re.fullmatch(r"ppt/slides/slide\d+\.xml", name)) for name in archive.namelist())
    count = metadata.get("page_count")
    return int(count) if count else None


def _kreuzberg() -> Any:
    return library("kreuzberg", "documents", "a document that is not plain text")
