"""What a terminal shows of a command: a real pseudo-terminal, and a terminal emulator behind it.

`python -m tests.commands.screens` writes the screens into docs/screens.md anew.
"""

import json
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pexpect
import pyte

from kaizen_batch.simulator import Reply, Simulator
from tests.commands.conftest import HEEDS_CTRL_C
from tests.trust.kill_processes import ROOT

PAGE = ROOT / "docs" / "screens.md"
WIDTHS = (60, 150)
RUN = ("run", "tickets.csv", "--prompt", "Classify: {text}", "--output", "labels.csv")
SCHEMA = {"type": "object", "properties": {"team": {"enum": ["billing", "tech"]}}}
_LINES = 60
_NUMBER = re.compile(r"\$?\d[\d,.]*( (ms|s|min|h)\b( \d+ (s|min)\b)?)?[%kM]?(/s)?")


class Terminal:
    """A command in a pseudo-terminal of some width, and the screen that a person sees."""

    def __init__(self, words: tuple[str, ...], folder: Path, url: str, columns: int) -> None:
        self.screen = pyte.HistoryScreen(columns, _LINES)
        self._stream = pyte.Stream(self.screen)
        path = os.pathsep.join([str(ROOT), *sys.path])
        inherited = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
        environment = {**inherited, "PYTHONPATH": path, "OPENAI_BASE_URL": url, "OPENAI_API_KEY": "sk-none"}
        self._child = pexpect.spawn(
            HEEDS_CTRL_C[0],
            [*HEEDS_CTRL_C[1:], *words],
            cwd=str(folder),
            env={**environment, "TERM": "xterm", "NO_COLOR": "1"},  # type: ignore[arg-type] # its stub wants os._Environ
            encoding="utf-8",
            dimensions=(_LINES, columns),
            timeout=60,
            logfile=None,
        )
        self._child.logfile_read = self

    def write(self, text: str) -> None:
        """pexpect: what the command has printed."""
        self._stream.feed(text)

    def flush(self) -> None:
        """pexpect: nothing to do."""

    def until(self, pattern: str) -> list[str]:
        """The screen when this has been printed; spaces match line breaks and what a drawing puts between words."""
        self._child.expect(pattern.replace(" ", r"[\s\x1b\[\dKA]+"))
        return self.shown()

    def press_ctrl_c(self) -> None:
        """As a person does."""
        self._child.sendintr()

    def end(self) -> list[str]:
        """The screen when the command is over."""
        self._child.expect(pexpect.EOF)
        self._child.close()
        return self.shown()

    @property
    def code(self) -> int | None:
        """The exit code."""
        return self._child.exitstatus

    def shown(self) -> list[str]:
        """The lines of the screen, without the empty ones at its end."""
        lines = [line.rstrip() for line in self.screen.display]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    def close(self) -> None:
        """End the command, however it stands."""
        self._child.close(force=True)


@dataclass(frozen=True)
class Scene:
    """One situation: the rows, the endpoint, the options, and what is looked at."""

    title: str
    text: str
    rows: int
    play: "Callable[[Stage], Iterator[tuple[str, list[str]]]]"
    options: tuple[str, ...] = ()
    endpoint: dict[str, float] = field(default_factory=dict)
    replies: Callable[[], list[Reply]] = list


@dataclass
class Stage:
    """A scene at one width, under way."""

    scene: Scene
    folder: Path
    url: str
    columns: int

    @contextmanager
    def terminal(self, *more: str) -> Iterator[Terminal]:
        """The command of the scene, with more options."""
        terminal = Terminal((*RUN, *self.scene.options, *more), self.folder, self.url, self.columns)
        try:
            yield terminal
        finally:
            terminal.close()

    @property
    def command(self) -> str:
        """The command as a person types it."""
        words = [f'"{word}"' if " " in word else word for word in (*RUN, *self.scene.options)]
        return " ".join(["kaizen-batch", *words])


def _to_the_end(stage: Stage) -> Iterator[tuple[str, list[str]]]:
    with stage.terminal() as terminal:
        yield "at the end", terminal.end()


def _normal(stage: Stage) -> Iterator[tuple[str, list[str]]]:
    with stage.terminal() as terminal:
        terminal.until(r"s left")
        yield "while it runs", terminal.until(r"tokens in, [\d.]+k? out")
        yield "at the end", terminal.end()


def _hung(stage: Stage) -> Iterator[tuple[str, list[str]]]:
    with stage.terminal() as terminal:
        terminal.until(r"the slowest call,")
        yield "while it waits", terminal.until(r"calls in flight")
        terminal.press_ctrl_c()
        yield "after Ctrl-C", terminal.end()


def _dead(stage: Stage) -> Iterator[tuple[str, list[str]]]:
    with stage.terminal() as terminal:
        terminal.until(r"waiting for the endpoint to accept connections")
        yield "while it waits", terminal.until(r"calls in flight")
        for _ in range(8):  # drawings, four a second: the wait is long enough to be named at the end
            terminal.until(r"calls in flight")
        terminal.press_ctrl_c()
        yield "after Ctrl-C", terminal.end()


def _resumed(stage: Stage) -> Iterator[tuple[str, list[str]]]:
    with stage.terminal() as terminal:
        terminal.until(r"[1-9]\d?/60")
        terminal.press_ctrl_c()
        yield "after Ctrl-C", terminal.end()
    with stage.terminal() as terminal:
        yield "the same command again", terminal.end()


def _reply(content: str, reason: str) -> Reply:
    message = {"role": "assistant", "content": content}
    choice = {"index": 0, "message": message, "finish_reason": reason}
    usage = {"prompt_tokens": 12, "completion_tokens": 4, "total_tokens": 16}
    return Reply(
        body={"id": "x", "object": "chat.completion", "model": "gpt-4o-mini", "choices": [choice], "usage": usage}
    )


def _cut_and_filtered() -> list[Reply]:
    return [*[_reply('{"team": "bil', "length")] * 100, *[_reply("", "content_filter")] * 8]


def _cut() -> list[Reply]:
    return [_reply("The invoice of last", "length")] * 100


SCENES = (
    Scene(
        "A run", "400 rows, no trouble.", 400, _normal, endpoint={"latency_s": 0.15}, options=("--price", "0.15", "0.6")
    ),
    Scene(
        "A call that hangs",
        "All rows but a few are done, and nothing moves.",
        40,
        _hung,
        options=("--grace", "1"),
        endpoint={"rate_hang": 0.1, "seed": 2},
    ),
    Scene("A dead endpoint", "Nobody listens at OPENAI_BASE_URL.", 40, _dead, options=("--grace", "1")),
    Scene(
        "108 of 400 rows failed",
        "100 answers were cut off, and a content filter stopped 8.",
        400,
        _to_the_end,
        options=("--schema", "labels.json", "--max-tokens", "20"),
        replies=_cut_and_filtered,
    ),
    Scene(
        "100 of 100 answers cut off",
        "`--max-tokens` is too low.",
        100,
        _to_the_end,
        options=("--max-tokens", "4"),
        replies=_cut,
    ),
    Scene("Ctrl-C, and the same command again", "60 rows.", 60, _resumed, endpoint={"latency_s": 0.3}),
    Scene(
        "A spent budget",
        "The budget covers only a part of 400 rows.",
        400,
        _to_the_end,
        options=("--budget", "0.01", "--price", "1", "4"),
    ),
)


def play(scene: Scene, columns: int) -> Iterator[tuple[str, str, list[str]]]:
    """The command, a caption and the screen, for each moment of a scene."""
    with tempfile.TemporaryDirectory() as name, Simulator(**scene.endpoint) as simulator:  # type: ignore[arg-type]
        folder = Path(name)
        rows = [f"{number},ticket {number} about an invoice" for number in range(1, scene.rows + 1)]
        (folder / "tickets.csv").write_text("id,text\n" + "\n".join(rows) + "\n", encoding="utf-8")
        (folder / "labels.json").write_text(json.dumps(SCHEMA), encoding="utf-8")
        simulator.reply_with(*scene.replies())
        url = "http://127.0.0.1:9/v1" if scene.play is _dead else simulator.base_url
        stage = Stage(scene, folder, url, columns)
        for caption, lines in scene.play(stage):
            yield stage.command, caption, lines


def masked(lines: list[str]) -> str:
    """The words of a screen on one line: numbers differ from run to run, and with them the line breaks."""
    text = " ".join(" ".join(lines).split()).replace(" \\ ", " ")
    text = re.sub(r"127\.0\.0\.1:\d+", "HOST", text)
    text = re.sub(r"[━╸╺ ]*[╸╺━]+", "BAR ", text)
    text = re.sub(r"N+", "N", _NUMBER.sub("N", text))
    # A run that stops within a moment does not say that it waits.
    text = text.replace("stopping: waiting up to N for in-flight calls; Ctrl-C again to stop now ", "")
    # The speed and the waits are shown from one second on.
    return re.sub(r"waited N for the budget (?=cost )", "", text.replace("rows in N (N):", "rows in N:"))


def page() -> str:
    """docs/screens.md as it should be."""
    parts = [
        "# Screens",
        "What a terminal shows in the situations that matter, at 60 and at 150 columns. Each screen is recorded from\n"
        "a real pseudo-terminal and compared with the program by a test; numbers differ from run to run.",
    ]
    for scene in SCENES:
        parts.append(f"## {scene.title}\n\n{scene.text}")
        for columns in WIDTHS:
            for number, (command, caption, lines) in enumerate(play(scene, columns)):
                shown = "\n".join(lines)
                head = f"```bash\n{command}\n```\n\n" if not number and columns == WIDTHS[0] else ""
                parts.append(f"{head}{columns} columns, {caption}:\n\n```text\n{shown}\n```")
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
