"""Console blocks of the documentation: run their commands and return the outputs."""

import os
import re
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

from tests.docs.pages import Block

_MARK = "the-next-command-begins"


def commands_of(block: Block) -> list[tuple[str, str]]:
    """The commands of a block (`$ `, with `> ` for continuation lines), each with the output shown below it."""
    found: list[tuple[str, str]] = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], ""))
        elif line.startswith("> "):
            found[-1] = (f"{found[-1][0]}\n{line[2:]}", "")
        else:
            found[-1] = (found[-1][0], f"{found[-1][1]}{line}\n")
    return found


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
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "TIME", text)
    text = re.sub(r"\d+(\.\d+)? (ms|s)\b", "N s", re.sub(r"\d+(\.\d+)? GB", "N GB", text))
    text = re.sub(r" \([\d.,]+/s\)", "", text)
    text = re.sub(r"(/[\w.-]+)+/(?=[\w-]+\.html)|(?<=disk      )\S+(?=:)", "PLACE/", text)
    return text.strip()
