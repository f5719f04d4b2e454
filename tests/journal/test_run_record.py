"""What a run says about itself: when samples are due, and which rows are listed."""

from typing import Any

from kaizen_batch.journal import statements
from kaizen_batch.journal.canonical import Media
from kaizen_batch.journal.run_record import RunRecord


class Kept(RunRecord):
    """Keeps what would be written."""

    def __init__(self) -> None:
        super().__init__(lambda: 7.0)
        self.notes: list[tuple[int, tuple[Any, ...]]] = []

    def _note(self, kind: int, key: bytes, row: tuple[Any, ...]) -> None:
        self.notes.append((kind, row))

    @property
    def kinds(self) -> list[int]:
        return [kind for kind, _ in self.notes]


def test_samples_that_come_too_soon_are_passed_over_except_the_last() -> None:
    record = Kept()
    for elapsed_s in (0.0, 1.0, 1.0005, 1.01):
        record.sample({"done": 1}, elapsed_s)
    record.sample({"done": 2}, 1.0101, last=True)
    assert [row[2] for _, row in record.notes] == ['{"done": 1}'] * 3 + ['{"done": 2}']


def test_only_a_complete_run_that_listed_rows_takes_the_place_of_earlier_lists() -> None:
    for rows, summary, listed in ((1, {}, True), (0, {}, False), (1, {"stopped": "budget"}, False)):
        record = Kept()
        record.begin_run({})
        for number in range(rows):
            record.row(number, "ok")
        record.end_run(summary)
        assert (statements.RUN_LISTED in record.kinds) is listed


def test_runs_differ_and_media_keep_their_content_only_if_asked() -> None:
    record = Kept()
    assert record.run != Kept().run and record.now() == 7.0
    image = Media(b"h" * 32, "image/png", b"content")
    record.media(image)
    record.media(image, name="a.png", keep=True)
    assert [row[2:] for _, row in record.notes] == [("image/png", None, None), ("image/png", "a.png", b"content")]
