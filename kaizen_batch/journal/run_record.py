"""What a run writes about itself: its options and summary, samples of its progress, the rows of its input, media."""

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping

from kaizen_batch.journal import statements
from kaizen_batch.journal.canonical import Media
from kaizen_batch.journal.checksums import input_row_checksum, row_checksum

_SAMPLE_EACH = 0.001


class RunRecord(ABC):
    """The part of a writer that nobody waits for; `run` is the number of the run."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.run: bytes = os.urandom(16)
        self._sample_at_s = 0.0
        self._lists_rows = False
        self._description = ""

    @abstractmethod
    def _note(self, kind: int, key: bytes, row: tuple[object, ...]) -> None:
        """Write this at some time. Raises: JournalError if the file cannot be written."""

    def now(self) -> float:
        """The time of the journal's entries, a Unix time."""
        return self._clock()

    def row(self, number: int, status: str, *, id: str | None = None, key: bytes | None = None) -> None:
        """The outcome of one row of the run's input: its number, the user's name for it, its request, its status."""
        self._lists_rows = True
        cells = (self.run, number, id, key, status)
        operation = (*cells, input_row_checksum(cells))
        self._note(statements.ROW, self.run + number.to_bytes(8, "big"), operation)

    def media(self, media: Media, *, name: str | None = None, keep: bool = False) -> None:
        """An image, sound or document that requests refer to; its content is kept only if asked for."""
        content = media.content if keep else None
        row = (media.sha256, len(media.content), media.media_type, name, content)
        self._note(statements.MEDIA, media.sha256, row)

    def begin_run(self, description: Mapping[str, object]) -> None:
        """A run begins on this journal; `description` is JSON-able and holds no secret."""
        self._description = text = json.dumps(description)
        check = row_checksum((self.run, text, None))
        self._note(statements.RUN_BEGUN, self.run, (self.run, self._clock(), text, check))

    def sample(self, figures: Mapping[str, object], elapsed_s: float, *, last: bool = False) -> None:
        """How far the run is; passed over where it comes too soon for a run of this length, unless it is the `last`."""
        if last or elapsed_s >= self._sample_at_s:
            # A thousandth of the time so far: an hour makes 3,000 samples, a day 6,200.
            self._sample_at_s = elapsed_s * (1 + _SAMPLE_EACH)
            self._note(statements.RUN_SAMPLED, self.run, (self.run, self._clock(), json.dumps(figures)))

    def end_run(self, summary: Mapping[str, object]) -> None:
        """The run is over; if it listed all rows of its input, those that earlier runs have listed are dropped."""
        text = json.dumps(summary)
        check = row_checksum((self.run, self._description, text))
        self._note(statements.RUN_ENDED, self.run, (self._clock(), text, check, self.run))
        if self._lists_rows and not summary.get("stopped"):
            self._note(statements.RUN_LISTED, self.run, (self.run,))
