"""Progress as lines of text: one every ten seconds, and the totals at the end."""

import io

import pytest

from kaizen_batch import (
    progress_sink,
)
from kaizen_batch.observers.progress.display import Lines, Nothing
from kaizen_batch.observers.progress.figures import Pace, view_of
from tests.observers.progress.events import finished, progress, started


def test_lines_come_every_ten_seconds_and_at_the_end() -> None:
    stream = io.StringIO()
    sink = progress_sink("lines", stream).for_run()
    sink(started())
    for n in range(1, 51):
        sink(progress(10 * n, n / 2))
    sink(finished())
    first, second, last, *rest = stream.getvalue().splitlines()
    assert first == "20% 200/1,000; 20.0 items/s; 40 s left; 10 of 10 calls in flight"
    assert second.startswith("40% 400/1,000; 20.0 items/s")
    assert last == "1,000 items in 12 s (80/s): 988 done, 12 failed"
    assert rest[0].startswith("failed: 8 refusal")


def test_lines_of_two_runs_keep_their_own_time() -> None:
    stream = io.StringIO()
    lines = Lines(stream)
    lines.show(0, view_of(progress(1, 9.9), Pace()))
    lines.show(0, view_of(progress(2, 10.0), Pace()))
    lines.show(1, view_of(progress(3, 10.0), Pace()))
    lines.show(0, view_of(progress(4, 19.9), Pace()))
    assert [line.partition(";")[0] for line in stream.getvalue().splitlines()] == ["0% 2/1,000", "0% 3/1,000"]


def test_a_line_has_no_control_characters_and_no_line_break() -> None:
    stream = io.StringIO()
    Lines(stream).end(0, ["one\ntwo \x1b[31mred"])
    [line] = stream.getvalue().splitlines()
    assert "one" in line and "two" in line and "\x1b" not in line


def test_nothing_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    Nothing().show(0, view_of(progress(1, 1.0), Pace()))
    Nothing().end(0, ["over"])
    assert capsys.readouterr() == ("", "")
