"""Whatever an endpoint, a row, a column or a file name says: nothing of it reaches a terminal as a control sequence."""

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from kaizen_batch.simulator import Reply, Simulator
from kaizen_batch.simulator.settings import error_reply
from tests.commands.conftest import HEEDS_CTRL_C
from tests.trust.kill_processes import ROOT

# pexpect forks, beside the simulator's thread; the child becomes another program at once.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")

# Set the window's title, write the clipboard, clear the screen by C1, reorder the text, ring the bell.
EVIL = "\x1b]0;OWNED\x07\x1b]52;c;T1dORUQ=\x07\x9b2J\u202eDENWO\u2066\x08\x07"
# What rich and a shell's terminal may send: colors, cursor, erasing, private modes.
_OURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_RAW = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


@pytest.fixture
def hostile(tmp_path: Path) -> Iterator[tuple[Path, Simulator]]:
    (tmp_path / "evil\x1b]0;x\x07.csv").write_text(f"id,te{EVIL}xt\n1,{EVIL} a\n2,b\n", encoding="utf-8")
    (tmp_path / "in.csv").write_text(f"text\n{EVIL} a\nb\nc\n", encoding="utf-8")
    with Simulator() as simulator:
        yield tmp_path, simulator


def printed(folder: Path, url: str, *words: str) -> str:
    """All that a command sends to a terminal, without what draws a bar."""
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    ours = {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]), "OPENAI_BASE_URL": url, "TERM": "xterm"}
    child = pexpect.spawn(
        HEEDS_CTRL_C[0],
        [*HEEDS_CTRL_C[1:], *words],
        cwd=str(folder),
        env={**environment, **ours, "OPENAI_API_KEY": "sk-none"},  # type: ignore[arg-type] # its stub wants os._Environ
        encoding="utf-8",
        dimensions=(50, 90),
        timeout=90,
    )
    child.expect(pexpect.EOF)
    child.close()
    assert child.before is not None
    return _OURS.sub("", child.before)


def answered(text: str) -> Reply:
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return Reply(body={"id": "x", "object": "chat.completion", "model": f"m{EVIL}", "choices": [choice]})


RUN = ("run", "in.csv", "--prompt", "{text}", "--output", "out.csv", "--max-concurrent", "1")


def test_no_command_prints_what_others_say_as_it_is(hostile: tuple[Path, Simulator]) -> None:
    folder, simulator = hostile
    simulator.reply_with(error_reply(400, f"code{EVIL}", f"message {EVIL}"), answered(f"yes {EVIL}"), answered(EVIL))
    commands = [
        RUN,
        ("status", "out.csv"),
        ("status", "out.csv", "--json"),
        ("export", "out.csv"),
        (*RUN[:-2], "--dry-run"),
        ("estimate", "in.csv", "--prompt", "{text}", "--offline"),
        ("doctor", "--model", f"m{EVIL}", "--no-call"),
        ("run", "evil\x1b]0;x\x07.csv", "--prompt", "{nope}", "--output", "x.csv"),
        ("run", "evil\x1b]0;x\x07.csv", "--output", "x.csv"),
        ("run", f"none{EVIL}.csv", "--prompt", "{a}", "--output", "x.csv"),
        ("init", "evil\x1b]0;x\x07.csv"),
        ("retry-failed", "out.csv"),
    ]
    for words in commands:
        text = printed(folder, simulator.base_url, *words)
        assert text.strip() and not _RAW.search(text), (words, _RAW.findall(text), text[-600:])


def test_an_endpoint_that_ends_the_run_says_why_without_control_characters(hostile: tuple[Path, Simulator]) -> None:
    folder, simulator = hostile
    simulator.reply_with(*[error_reply(429, "insufficient_quota", f"no credit {EVIL}")] * 3)
    text = printed(folder, simulator.base_url, *RUN)
    assert "no credit" in text and not _RAW.search(text)


def test_rows_that_are_written_to_a_terminal_are_printable(hostile: tuple[Path, Simulator]) -> None:
    folder, simulator = hostile
    for format in ("jsonl", "csv"):
        words = (
            "run",
            "in.csv",
            "--prompt",
            "{text}",
            "--output",
            "-",
            "--output-format",
            format,
            "--progress",
            "none",
        )
        assert not _RAW.search(printed(folder, simulator.base_url, *words))
