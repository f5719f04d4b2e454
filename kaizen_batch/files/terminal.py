"""Rows written to a terminal: with escapes for what a terminal would obey. A file or a pipe gets them as they are."""

import codecs
import io
from typing import IO

from kaizen_batch.results.texts.terminal import printable


class PrintableStream(io.BufferedIOBase):
    """Bytes of UTF-8 text into a terminal; a character may come in two parts."""

    def __init__(self, terminal: IO[bytes]) -> None:
        self._terminal = terminal
        # It also joins the two characters of a line's end.
        self._decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder("utf-8")("replace"), translate=True)

    def writable(self) -> bool:
        """io: yes."""
        return True

    def write(self, data: bytes | bytearray | memoryview) -> int:  # type: ignore[override] # what a text layer writes
        """io: write bytes."""
        text = self._decoder.decode(bytes(data))
        self._terminal.write(printable(text).encode())
        return memoryview(data).nbytes

    def flush(self) -> None:
        """io: have it on the screen."""
        self._terminal.flush()
