"""Mistakes: one line that says the fix, no traceback, nothing written, no call made."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kaizen_batch.simulator import Simulator
from tests.commands.conftest import RUN, TWO_ROWS, Cli
from tests.trust.kill_processes import ROOT


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("run", "tickets.csv", "--prompt", "Classify: {txt}", "--output", "labels.csv"),
            "the prompt template names 'txt', and the rows have 'id', 'text': did you mean 'text'?",
        ),
        (
            ("run", "tickets.csv", "--output", "labels.csv"),
            "there is no --prompt, and no column 'prompt' among 'id', 'text': give a prompt, such as --prompt",
        ),
        ((*RUN[:3], "no place", *RUN[4:]), "the prompt template has no {column}"),
        ((*RUN[:3], '{"a": {text}}', *RUN[4:]), "a literal brace is written {{ or }}"),
        (("run", "none.csv", *RUN[2:]), "none.csv"),
        ((*RUN, "--schema", "none.json"), "there is no schema file 'none.json'"),
        (("run", "tickets.csv", "--prompt-file", "none.txt", *RUN[4:]), "there is no prompt file 'none.txt'"),
        ((*RUN, "--config", "none.toml"), "there is no config file 'none.toml'"),
        ((*RUN, "--provider", "opnai"), "unknown --provider 'opnai': did you mean 'openai'?"),
        ((*RUN, "--provider", "no_package:Provider"), "cannot import 'no_package'"),
        ((*RUN, "--budget", "5", "--model", "my-model"), "--budget needs to know what my-model costs"),
        ((*RUN, "--fallback", '{"model": '), "--fallback is not valid JSON"),
        (
            (*RUN, "--base-url", "localhost:8000"),
            "--base-url 'localhost:8000' has no scheme: write http://localhost:8000/v1",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value[-2:]),
)
def test_a_mistake_is_one_line(wrong: Callable[..., str], arguments: tuple[str, ...], message: str) -> None:
    assert message in wrong(*arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((*RUN, "--modell", "x"), "Did you mean one of: '--mode', '--model'"),
        ((*RUN, "--api-key", "sk-secret"), "a key does not belong on a command line"),
        ((*RUN, "--api-key=sk-secret"), "set the environment variable OPENAI_API_KEY"),
        (RUN[:4], "Missing option '--output'"),
        ((*RUN, "--max-concurrent", "0"), "0 is not in the range x>=1"),
        ((*RUN, "--journal", "run.db", "--no-journal"), "exclude each other"),
        ((*RUN, "--prompt-file", "x.txt"), "--prompt and --prompt-file exclude each other"),
        ((*RUN[:5], "-", "--json"), "both want standard output"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value[-2:]),
)
def test_a_wrong_use_is_one_line_and_a_hint(
    wrong: Callable[..., str], arguments: tuple[str, ...], message: str
) -> None:
    line = wrong(*arguments, code=2)
    assert message in line
    assert "sk-secret" not in line


def test_no_key_says_how_to_set_one(wrong: Callable[..., str]) -> None:
    assert wrong(*RUN, env={"OPENAI_BASE_URL": ""}).startswith("Error: no API key: set OPENAI_API_KEY")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "the schema file 'labels.json' is not valid JSON: "),
        ('{"type": "object"}', "the schema file 'labels.json': it must describe an object"),
        (
            '{"properties": {"status": {"type": "string"}}}',
            "the output 'status' has a name that is reserved for results",
        ),
    ],
)
def test_a_mistake_in_the_schema(wrong: Callable[..., str], folder: Path, text: str, message: str) -> None:
    (folder / "labels.json").write_text(text, encoding="utf-8")
    assert message in wrong(*RUN, "--schema", "labels.json")


def test_an_input_that_is_not_utf_8_or_no_table(wrong: Callable[..., str], folder: Path) -> None:
    (folder / "tickets.csv").write_bytes(b"id,text\n1,caf\xe9\n")
    assert "tickets.csv" in wrong(*RUN, "--dry-run")
    (folder / "tickets.csv").write_bytes(b"")
    assert "tickets.csv" in wrong(*RUN)


def test_a_journal_that_another_run_holds(wrong: Callable[..., str], folder: Path, cli: Cli) -> None:
    from kaizen_batch.journal.opening import write_lock

    with write_lock(folder / "labels.csv.journal.db"):
        assert "is in use by" in wrong(*RUN)


@pytest.mark.parametrize(
    ("rows", "arguments", "message"),
    [
        ("id,text\n1,a\n2\n", (), "'tickets.csv', row 2 (line 3): it has 1 cell, and there are 2 columns (id, text)"),
        (
            TWO_ROWS,
            ("--output", "none/labels.csv"),
            "does not exist; nothing was changed: name a file in a folder that",
        ),
        (TWO_ROWS, ("--output", "labels.doc"), "does not say the format: name it .csv, .tsv, .jsonl, .json, .parquet"),
        (TWO_ROWS, ("--output", "tickets.csv"), "input and output are the same file, 'tickets.csv': give each its own"),
        (TWO_ROWS, ("--encoding", "utf-9"), "utf-9"),
    ],
)
def test_a_mistake_in_the_files(
    wrong: Callable[..., str], folder: Path, rows: str, arguments: tuple[str, ...], message: str
) -> None:
    (folder / "tickets.csv").write_text(rows, encoding="utf-8")
    assert message in wrong(*RUN, *arguments)


def test_a_full_disk_loses_nothing_that_is_saved(cli: Cli, folder: Path) -> None:
    (folder / "tickets.csv").write_text("text\n" + "".join(f"ticket {n}\n" for n in range(300)), encoding="utf-8")
    limited = ["sh", "-c", 'ulimit -f 400; exec "$@"', "sh", sys.executable, "-m", "kaizen_batch", *RUN]
    with Simulator() as simulator:
        path = os.pathsep.join([str(ROOT), *sys.path])
        env = {**os.environ, "PYTHONPATH": path, "OPENAI_BASE_URL": simulator.base_url}
        full = subprocess.run(limited, env=env, capture_output=True, text=True)
        assert full.returncode == 1, full.stderr
        # A limit on the size of files stands in for a small disk: SQLite does not call it full.
        assert re.search(r"^Error: .*(no space is left for|cannot be written)", full.stderr, re.MULTILINE)
        assert "Traceback" not in full.stderr
        saved = int(re.findall(r": (\d+) done", full.stderr)[0])
        assert 0 < saved < 300 and not (folder / "labels.csv").exists()
        asked = simulator.ledger.calls
        done = cli(*RUN, env={"OPENAI_BASE_URL": simulator.base_url})
        assert done.exit_code == 0, done.output
        assert simulator.ledger.calls == asked + 300 - saved
