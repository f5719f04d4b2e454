"""Devices and open files as outputs, and cells that a spreadsheet would take for formulas."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kaizen_batch import BatchConfig, Completion, FileJob, Provider, RecordError, Request, record_writer, run_job
from kaizen_batch.agents import create_agent
from kaizen_batch.files.names import descriptor_of, is_stream
from tests.trust.kill_processes import ROOT

RUN = ("run", "in.csv", "--prompt", "{text}", "--provider", "mock", "--output-format", "jsonl")


@pytest.mark.parametrize(
    ("path", "number"),
    [
        ("/dev/stdout", 1),
        ("/dev/stderr", 2),
        ("/dev/fd/17", 17),
        ("/proc/self/fd/3", 3),
        ("/dev/null", None),
    ],
)
def test_a_path_may_mean_an_open_file(path: str, number: int | None) -> None:
    assert descriptor_of(path) == number
    assert is_stream(path) and not is_stream("a")


def kaizen(folder: Path, *words: str, stdout: object) -> "subprocess.CompletedProcess[str]":
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    command = [sys.executable, "-m", "kaizen_batch", *RUN, *words]
    return subprocess.run(command, cwd=folder, env=env, stdout=stdout, stderr=subprocess.PIPE, text=True)  # type: ignore[call-overload]


def test_standard_output_by_its_path_is_appended_to_and_never_renamed_over(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("text\na\n", encoding="utf-8")
    out = tmp_path / "out.jsonl"
    out.write_text("before\n", encoding="utf-8")
    inode = out.stat().st_ino
    with out.open("a", encoding="utf-8") as stream:
        done = kaizen(tmp_path, "--output", "/dev/stdout", stdout=stream)
    assert done.returncode == 0, done.stderr
    assert out.stat().st_ino == inode
    assert out.read_text() == 'before\n{"text": "a", "result": "mock answer to: a"}\n'


@pytest.mark.parametrize("device", ["/dev/null", "/dev/full"])
def test_a_device_gets_no_journal_and_stays_a_device(tmp_path: Path, device: str) -> None:
    (tmp_path / "in.csv").write_text("text\na\n", encoding="utf-8")
    done = kaizen(tmp_path, "--output", device, stdout=subprocess.PIPE)
    assert done.returncode == (0 if device == "/dev/null" else 1), done.stderr
    assert device == "/dev/null" or "no space is left" in done.stderr
    assert Path(device).is_char_device() and not Path(f"{device}.journal.db").exists()
    assert {path.name for path in tmp_path.iterdir()} <= {"in.csv", "in.failed.csv"}


class Formula(Provider):
    async def complete(self, request: Request) -> Completion:
        return Completion(text=request.prompt)


async def test_safe_cells_show_text_in_a_spreadsheet_and_other_rows_are_as_they_were(tmp_path: Path) -> None:
    texts = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "plain", "5 - 3"]
    with (tmp_path / "in.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["text"], *[[text] for text in texts]])
    config = BatchConfig(llm_provider="mock")
    job = FileJob(tmp_path / "in.csv", tmp_path / "out.csv", template="{text}", safe_cells=True)
    await run_job(job, create_agent(config, None, Formula()), config)
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["result"] for row in rows] == ["'=1+1", "'+1", "'-1", "'@SUM(A1)", "'\tx", "plain", "5 - 3"]
    assert [row["text"] for row in rows] == texts  # the input's own cells are the user's


def test_too_many_open_files_are_named_with_their_fix(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    lowest = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, before[1]))  # from now on nothing can be opened
    try:
        with pytest.raises(RecordError) as caught, record_writer(tmp_path / "out.csv"):
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert "Too many open files; nothing was changed: raise the limit of open files (ulimit -n)" in str(caught.value)
