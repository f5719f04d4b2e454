"""The bar and what is printed or logged beside it, on a terminal."""

import io
import logging
import re
import sys
import threading
from typing import Any

import pexpect
import pytest
from rich.console import Console

from kaizen_batch.observers.progress.bar import Bar, _Drawn
from kaizen_batch.observers.progress.figures import Pace, view_of
from tests.observers.progress.events import Terminal, progress


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


_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


_COLOR = re.compile(r"\x1b\[[39][0-9;]*m")


def drawn(width: int, **options: Any) -> str:
    console = Console(file=io.StringIO(), force_terminal=True, width=width, **options)
    figures = {"failures": {"refusal": 8, "length": 4}, "failed": 12, "input_tokens": 5_000_000, "cost_usd": 1.0}
    console.print(_Drawn(view_of(progress(420, 10.0, **figures), Pace())))
    return console.file.getvalue()  # type: ignore[attr-defined]


@pytest.mark.parametrize("width", [20, 40, 80, 400])
def test_the_bar_fits_the_terminal(width: int) -> None:
    lines = _CONTROL.sub("", drawn(width)).splitlines()
    assert max(map(len, lines)) <= width
    assert lines[0].lstrip().startswith("42%") and lines[0].rstrip().endswith("420/1,000")
    assert lines[0].count("━") + lines[0].count("╸") + lines[0].count("╺") <= 80
    assert "0.0 items/s" in lines[1]


def test_no_color_leaves_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _COLOR.search(drawn(80, color_system="truecolor", no_color=False))
    monkeypatch.setenv("NO_COLOR", "1")
    plain = drawn(80, color_system="truecolor")
    assert not _COLOR.search(plain)
    assert "42%" in plain and "420/1,000" in plain


def test_without_a_total_there_is_no_bar() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=60)
    console.print(_Drawn(view_of(progress(420, 10.0, total=None), Pace())))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "420 items" in text and "%" not in text and "━" not in text


def test_the_bar_draws_the_newest_view_and_leaves_the_totals() -> None:
    console = Console(file=Terminal(), force_terminal=True, width=60)
    bar = Bar(console)
    bar.show(0, view_of(progress(420, 10.0), Pace()))
    bar.show(1, view_of(progress(77, 10.0), Pace()))
    bar._live.refresh()  # type: ignore[union-attr]
    bar.end(0, ["1,000 items", "12 failed"])
    bar.end(1, ["the second"])
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert bar._live is None
    assert "420/1,000" in text and "77/1,000" in text
    assert text.rindex("the second") > text.rindex("12 failed") > text.rindex("1,000 items") > 0


class Stopped(Terminal):
    """A terminal that can be stopped, as by Ctrl-S."""

    def __init__(self) -> None:
        super().__init__()
        self.goes_on, self.is_waited_for = threading.Event(), threading.Event()
        self.goes_on.set()

    def write(self, text: str) -> int:
        if not self.goes_on.is_set():
            self.is_waited_for.set()
            self.goes_on.wait()
        return super().write(text)


def test_a_terminal_that_is_stopped_does_not_hold_up_the_run() -> None:
    terminal = Stopped()
    bar = Bar(Console(file=terminal, force_terminal=True, width=60))
    bar.show(0, view_of(progress(1, 1.0), Pace()))
    terminal.goes_on.clear()
    assert terminal.is_waited_for.wait(timeout=60)
    bar.show(0, view_of(progress(500, 2.0), Pace()))  # returns, or this test would never end
    terminal.goes_on.set()
    bar.end(0, ["over"])
    assert terminal.getvalue().endswith("over\n")


def test_what_is_printed_goes_to_its_own_stream(capfd: pytest.CaptureFixture[str]) -> None:
    bar = Bar(Console(file=sys.stderr, force_terminal=True, width=60))
    bar.show(0, view_of(progress(1, 1.0), Pace()))
    print("data")
    bar.end(0, ["over"])
    assert capfd.readouterr().out == "data\n"


_PROGRAM = """
from kaizen_batch import BatchProcessorAgent, MockProvider, progress_sink
with progress_sink() as progress:
    agent = BatchProcessorAgent(provider=MockProvider(latency_s=0.02), max_concurrent=4, on_event=progress)
    agent.execute(batch=["a question"] * 400)
    input("write it? ")
"""


def test_in_a_terminal_the_bar_moves_and_ends_with_the_output() -> None:
    environment = {"TERM": "xterm", "PYTHONWARNINGS": "ignore", "PATH": ""}
    child = pexpect.spawn(sys.executable, ["-c", _PROGRAM], env=environment, dimensions=(24, 70), encoding="utf-8")
    child.expect(r"(\d+)/400", timeout=60)
    counts = [int(child.match.group(1))]
    while child.expect([r"(\d+)/400", "writing"], timeout=60) == 0:
        counts.append(int(child.match.group(1)))
    assert counts == sorted(counts) and len(set(counts)) > 2
    child.expect("99%", timeout=60)
    child.sendline("")
    child.expect("400 items in .*: 400 done", timeout=60)
    child.expect(pexpect.EOF, timeout=60)
    child.close()
    assert child.exitstatus == 0
