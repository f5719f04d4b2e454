"""`run -` while nobody writes to its standard input: answers come at once, and every way to end it works."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = [
    sys.executable,
    "-m",
    "kaizen_batch",
    "run",
    "-",
    "--provider",
    "mock",
    "--prompt",
    "{text}",
    "--output",
    "-",
]


def started(folder: Path, *more: str) -> "subprocess.Popen[bytes]":
    """The command after its first row was answered."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("KAIZEN_")}
    process = subprocess.Popen(
        [*COMMAND, *more],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder,
        env=variables,
    )
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(b'{"text": "a"}\n')
    process.stdin.flush()
    assert b"mock answer to: a" in process.stdout.readline()
    return process


def ended(process: "subprocess.Popen[bytes]") -> tuple[int, str]:
    assert process.stderr is not None
    try:
        code = process.wait(timeout=20)
        return code, process.stderr.read().decode()
    finally:
        process.kill()
        for stream in (process.stdin, process.stdout, process.stderr):
            assert stream is not None
            stream.close()


def test_the_deadline_ends_it(tmp_path: Path) -> None:
    code, said = ended(started(tmp_path, "--deadline", "1"))
    assert code == 4 and "1 s limit" in said and "the rest of it was not read" in said


@pytest.mark.parametrize(("number", "codes"), [(signal.SIGINT, (130,)), (signal.SIGTERM, (143, -signal.SIGTERM))])
@pytest.mark.parametrize("journal", [(), ("--journal", "run.db")])
def test_a_signal_ends_it(
    tmp_path: Path, number: signal.Signals, codes: tuple[int, ...], journal: tuple[str, ...]
) -> None:
    process = started(tmp_path, *journal)
    process.send_signal(number)
    code, _ = ended(process)
    assert code in codes


def test_the_end_of_the_input_ends_it(tmp_path: Path) -> None:
    process = started(tmp_path)
    assert process.stdin is not None
    process.stdin.close()
    code, said = ended(process)
    assert code == 0 and "1 row" in said
