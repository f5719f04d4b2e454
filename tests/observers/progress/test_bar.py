"""The bar and what is printed or logged beside it, on a terminal."""

import logging
import sys

import pytest
from rich.console import Console

from kaizen_batch.observers.progress.bar import Bar
from kaizen_batch.observers.progress.figures import Pace, view_of
from tests.observers.progress.events import progress


def test_a_log_line_appears_above_the_bar_and_handlers_get_their_stream_back(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    handler, terminal = logging.StreamHandler(sys.stderr), sys.stderr
    logger = logging.getLogger("test.beside.the.bar")
    monkeypatch.setattr(logger, "handlers", [handler])
    bar = Bar(Console(file=terminal, force_terminal=True, width=60))
    bar.show(0, view_of(progress(420, 10.0), Pace()))
    logger.warning("beside the bar")
    assert handler.stream is not terminal  # rich's, which draws the bar anew below the line
    bar.end(0, ["over"])
    assert handler.stream is terminal
    text = capsys.readouterr().err
    assert text.index("beside the bar\n") < text.rindex("over\n")
    assert not [line for line in text.splitlines() if "beside the bar" in line and "items/s" in line]


def test_a_long_text_breaks_between_words(capsys: pytest.CaptureFixture[str]) -> None:
    bar = Bar(Console(file=sys.stderr, force_terminal=True, width=30))
    bar.end(0, ["failed: 8 refusal (the model refused): change the prompt, or add a fallback model"])
    lines = capsys.readouterr().err.splitlines()
    assert max(map(len, lines)) <= 30
    assert " ".join(lines) == "failed: 8 refusal (the model refused): change the prompt, or add a fallback model"
