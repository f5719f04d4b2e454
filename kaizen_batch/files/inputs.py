"""What an input names: a file, several, a pattern, or a folder of documents."""

import glob
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kaizen_batch.errors import ConfigError
from kaizen_batch.files.names import DOCUMENTS, STANDARD, path_text, says_document, says_rows
from kaizen_batch.files.objects import is_url

Paths = str | os.PathLike[str]
Input = Paths | Sequence[Paths]

_PATTERN = ("*", "?", "[")


@dataclass(frozen=True, slots=True)
class Inputs:
    """The files of an input, in order; `documents` says that each is a row, and not a file of rows."""

    paths: tuple[str, ...]
    documents: bool = False

    @property
    def name(self) -> str:
        """How a message names the input as a whole."""
        return self.paths[0] if len(self.paths) == 1 else f"{self.paths[0]} and {len(self.paths) - 1:,} more"


def expanded(source: Input, pattern: str | None = None, format: str | None = None) -> Inputs:
    """The files that are meant. Raises: ConfigError for a pattern or folder in which there are none."""
    texts = _texts(source)
    if len(texts) == 1 and is_folder(texts[0]):
        return _of_folder(texts[0], pattern)
    if pattern is not None:
        raise ConfigError(f"glob needs a folder as input; given: {texts[0]!r}")
    paths = [path for text in texts for path in _matches(text)]
    if format is None and says_document(paths[0]):
        return _documents(paths, f"documents and files of rows cannot be mixed: {paths[0]!r} and")
    return Inputs(tuple(paths))


def _documents(paths: list[str], problem: str) -> Inputs:
    """Inputs that are all documents. Raises: ConfigError."""
    wrong = next((path for path in paths if not says_document(path)), None)
    if wrong is not None:
        raise ConfigError(f"{problem} {wrong!r}; the documents that can be read are {', '.join(DOCUMENTS)}")
    return Inputs(tuple(paths), documents=True)


def _texts(source: Input) -> list[str]:
    """The paths as text. Raises: ConfigError."""
    if isinstance(source, str | os.PathLike) or not isinstance(source, Sequence):
        return [path_text(source)]
    texts = [path_text(path) for path in source]
    if not texts:
        raise ConfigError("the list of input files is empty: name at least one")
    if len(texts) > 1 and STANDARD in texts:
        raise ConfigError("standard input cannot be one of several inputs: leave out '-', or save it first")
    return texts


def is_folder(path: str) -> bool:
    """Whether there is a folder; False for a path that no system can have."""
    return path != STANDARD and os.path.isdir(path)  # noqa: PTH112 - Path.is_dir raises for a name that is too long


def _matches(text: str) -> list[str]:
    """The files of a pattern, sorted; a name that exists or has no wildcard is itself."""
    is_pattern = any(sign in text for sign in _PATTERN)
    if is_url(text) and is_pattern:
        raise ConfigError(f"a pattern cannot name objects in a store: list them one by one; given: {text!r}")
    if text == STANDARD or not is_pattern or os.path.lexists(text):
        return [text]
    every = glob.glob(text, recursive=True)  # noqa: PTH207 - Path.glob takes no absolute pattern
    found = sorted(path for path in every if not Path(path).is_dir())
    if not found:
        raise ConfigError(f"no file matches {text!r}: check the folder and the pattern")
    return found


def _of_folder(folder: str, pattern: str | None) -> Inputs:
    files = sorted(str(path) for path in Path(folder).glob(pattern or "**/*") if path.is_file())
    found = files if pattern else list(filter(says_document, files))
    if not found:
        what = f"no file matches {pattern!r}" if pattern else f"there is no document ({', '.join(DOCUMENTS)})"
        raise ConfigError(f"{what} in the folder {folder!r}: pass glob, such as '**/*.pdf', or name a file")
    if all(map(says_rows, found)):
        return Inputs(tuple(found))
    return _documents(found, f"the folder {folder!r} holds what is no document:")
