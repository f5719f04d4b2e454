"""Where an output goes: into a file that appears whole or not at all, or into a stream."""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from io import TextIOWrapper
from pathlib import Path
from typing import BinaryIO, TextIO, cast

from kaizen_batch.files import faults
from kaizen_batch.files.names import STANDARD, TEXT_FORMATS, Kind, descriptor_of, is_stream, shown
from kaizen_batch.files.objects import is_url, upload
from kaizen_batch.files.staging import Staging
from kaizen_batch.files.streams import decoded, encoded, open_bytes, sync, text_into
from kaizen_batch.files.terminal import PrintableStream


class Output:
    """The parts of one output: each is written from its beginning, and the last one becomes the file.

    A file is written in a private folder beside it, synced to the disk and renamed: the old one stays as it is until
    then, and the folder of a run that was killed is removed by the next one. What cannot be renamed (a standard stream,
    a pipe, a device) is written at once, and `can_restart` is False.

    Raises: RecordError.
    """

    def __init__(self, target: str, kind: Kind) -> None:
        self.name: str = shown(target, reading=False)
        self.can_restart: bool = not is_stream(target)
        self._target = target
        self._kind = kind
        self._url = target if is_url(target) else None
        # An object is uploaded when it is complete; until then it is a file of this machine.
        scratch = f"{tempfile.gettempdir()}/kaizen-batch-{os.urandom(8).hex()}"
        where = f"{scratch}/{Path(target).name}" if self._url else target
        self._path = Path(os.path.realpath(where))  # a link stays a link
        self._staging = Staging(self._path)
        self._parts = 0
        self._open = ExitStack()
        self._text: TextIOWrapper | None = None

    def begin(self) -> None:
        """Make room beside the target."""
        if not self.can_restart:
            return
        if self._url is not None:
            self._path.parent.mkdir(mode=0o700)
        if self._path.is_dir():
            raise faults.unwritable(self.name, "it is a folder")
        if not self._path.parent.is_dir():
            raise faults.unwritable(self.name, f"the folder {str(self._path.parent)!r} does not exist")
        try:
            self._staging.begin()
        except BlockingIOError:
            raise faults.busy(self.name) from None
        if self._path.exists() and not os.access(self._path, os.W_OK):
            self.discard()
            raise faults.unwritable(self.name, "it is read-only")

    def open_bytes(self) -> BinaryIO:
        """A new part, compressed by its name; the one before is closed."""
        self.flush()
        self._parts += 1
        with ExitStack() as stack:
            stream = self._raw(stack)
            if self._kind.compression is not None:
                stream = cast(BinaryIO, stack.enter_context(encoded(stream, self._kind.compression)))
            self._open = stack.pop_all()
        return stream

    def open_text(self) -> TextIOWrapper:
        """The same for text."""
        self._text = text = text_into(self.open_bytes())
        self._open.callback(text.detach)  # flushes, and leaves the stream to its owner
        return text

    @contextmanager
    def read_part(self) -> Iterator[TextIO]:
        """The text of the latest part."""
        path = str(self.part(self._parts))
        with open_bytes(path, self._kind.compression) as stream, decoded(stream, "utf-8", "") as text:
            yield text

    def part(self, number: int) -> Path:
        """The file of a part; they count from 1."""
        return self._staging.path(number)

    def flush(self) -> None:
        """Have all of the open part in its file, which is closed."""
        stack, self._open = self._open, ExitStack()
        stack.close()

    def push(self) -> None:
        """Have a stream get the text so far; what is compressed is complete at its end only."""
        if self._text is not None and self._kind.compression is None:
            self._text.flush()

    def rename(self, target: str) -> None:
        """Become another file of the same folder."""
        self._path = self._path.with_name(Path(target).name)
        self._url = target if self._url else None

    def publish(self, before: Callable[[Path, Path], object] | None = None) -> None:
        """The last part becomes the file; `before` is called with both when the part is safe on the disk."""
        self.flush()
        if self.can_restart:
            part = self.part(self._parts)
            self._staging.give_mode(part)
            sync(part)
            if self._url is not None:
                upload(part, self._url)
            else:
                if before is not None:
                    before(part, self._path)
                part.replace(self._path)
                sync(self._path.parent)
            self._end()

    def discard(self) -> None:
        """Nothing becomes of it."""
        with suppress(OSError, ValueError):  # what is in a buffer may not fit on the disk
            self.flush()
        self._end()

    def _end(self) -> None:
        self._staging.end()
        if self._url is not None:
            shutil.rmtree(self._path.parent, ignore_errors=True)

    def _raw(self, stack: ExitStack) -> BinaryIO:
        if self._target == STANDARD:
            stream = sys.stdout.buffer
            stack.callback(stream.flush)
            if sys.stdout.isatty() and self._kind.compression is None and self._kind.format in TEXT_FORMATS:
                return cast(BinaryIO, PrintableStream(stream))
            return stream
        if (number := descriptor_of(self._target)) is not None:
            # The open file itself: opened by its name, a file behind it would be emptied.
            return cast(BinaryIO, stack.enter_context(os.fdopen(os.dup(number), "wb")))
        if self.can_restart:
            created = self._staging.create(self.part(self._parts))
            return cast(BinaryIO, stack.enter_context(os.fdopen(created, "wb")))
        return stack.enter_context(self._path.open("wb"))
