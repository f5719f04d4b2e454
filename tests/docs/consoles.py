"""Console blocks of the documentation: run their commands and return the outputs."""

import os
import re
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

from tests.docs.pages import Block, blocks

_MARK = "the-next-command-begins"


def session_of(page: Path) -> list[tuple[Block, str]]:
    """The blocks of commands of a page, each with what the block of text right below it shows."""
    found = [block for block in blocks("bash", "text") if block.page == page]
    session: list[tuple[Block, str]] = []
    for block, following in zip(found, [*found[1:], None], strict=True):
        if block.language == "bash":
            end = block.line + block.text.count("\n") + 2
            shown = following is not None and following.language == "text" and following.line == end
            session.append((block, following.text if shown and following else ""))
    return session


def outputs_of(commands: list[str], folder: Path, **environment: str) -> list[str]:
    """The output of each command, run in one shell in this folder, errors included. The first failure ends it."""
    script = "\n".join(["set -e", *(f"echo {_MARK}\n{command}" for command in commands)])
    shell = subprocess.Popen(
        ["bash", "-c", script],
        cwd=folder,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = shell.communicate(timeout=100)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(shell.pid, signal.SIGKILL)
    assert shell.returncode == 0, output
    return output.split(f"{_MARK}\n")[1:]


def normalized(text: str) -> str:
    """Replace times, paths, and whatever else differs between runs."""
    text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", text.replace("\a", ""))
    text = re.sub(r"^port \d+ is taken.*\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "TIME", text)
    text = re.sub(r"\d+(\.\d+)? (ms|s)\b", "N s", re.sub(r"\d+(\.\d+)? GB", "N GB", text))
    text = re.sub(r" \([\d.,]+/s\)", "", text)
    text = re.sub(r"(/[\w.-]+)+/(?=[\w-]+\.html)|(?<=disk      )\S+(?=:)", "PLACE/", text)
    return text.strip()
