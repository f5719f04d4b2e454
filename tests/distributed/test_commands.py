"""The command line with `s3://` for input, output and run folder, as a user gives it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from kaizen_batch.commands.main import main
from kaizen_batch.files.objects import open_object, upload
from kaizen_batch.simulator import Simulator

ROWS = 30
PROMPT = ("--prompt", "Classify: {text}", "--progress", "none")


@pytest.fixture
def simulator(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    """An endpoint, a bucket with an input, and an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "any")
    Path("in.csv").write_text("id,text\n" + "".join(f'{row},"row {row},\nin two lines"\n' for row in range(ROWS)))
    upload(Path("in.csv"), f"{bucket}/in.csv")
    with Simulator() as simulator:
        monkeypatch.setenv("OPENAI_BASE_URL", simulator.base_url)
        yield simulator


def give(*words: str, code: int = 0, **more: Any) -> Result:
    result = CliRunner().invoke(main, list(words), **more)
    assert result.exit_code == code, result.output
    return result


def content(url: str) -> bytes:
    with open_object(url) as stream:
        return stream.read()


def test_one_process_reads_and_writes_objects(bucket: str, simulator: Simulator) -> None:
    run = ("run", f"{bucket}/in.csv", *PROMPT, "--output", f"{bucket}/out.csv")
    refused = give(*run, code=1)
    assert "a journal needs a local disk" in refused.stderr and "give --journal FILE" in refused.stderr
    refused = give(*run, "--journal", f"{bucket}/run.db", code=1)
    assert "a journal needs a local disk: give --journal a path of this machine" in refused.stderr
    assert simulator.ledger.calls == 0
    assert f"wrote     {ROWS} rows to {bucket}/out.csv" in give(*run, "--journal", "run.db").stderr
    give(*run, "--journal", "run.db")  # again: from the journal
    assert simulator.ledger.calls == ROWS
    give("run", "in.csv", *PROMPT, "--output", "one.csv", "--journal", "run.db")
    assert content(f"{bucket}/out.csv") == Path("one.csv").read_bytes()


@pytest.mark.parametrize("output", ["out.csv", "answers/"])
def test_shards_meet_in_a_bucket(bucket: str, simulator: Simulator, output: str) -> None:
    run = ("run", f"{bucket}/in.csv", *PROMPT, "--output", f"{bucket}/{output}")
    folder = f"{bucket}/{output.rstrip('/')}.run"
    # The first shard is a process of its own, which shares nothing with the others but the bucket.
    command = [sys.executable, "-m", "kaizen_batch", *run, "--shard", "1/2"]
    first = subprocess.run(command, env=os.environ, capture_output=True, text=True, timeout=120, check=False)
    assert first.returncode == 0, first.stderr
    assert f"kaizen-batch merge {folder}" in first.stderr
    assert "2: 1 done, 1 not begun" in give("status", folder).stdout
    early = give("merge", folder, code=4)
    assert f"--shard 2/2 --run-folder {folder}" in early.stderr
    give(*run, "--shard", "2/2")
    assert f"wrote     {ROWS} rows to {bucket}/{output}" in give("merge", folder).stderr
    assert simulator.ledger.billed == ROWS
    give("run", "in.csv", *PROMPT, "--output", "one.csv", "--no-journal")
    written = [f"{bucket}/out.csv"] if output == "out.csv" else [f"{bucket}/answers/part-{n:04d}.csv" for n in (1, 2)]
    parts = [content(url) for url in written]
    assert b"".join([parts[0], *(part.partition(b"\n")[2] for part in parts[1:])]) == Path("one.csv").read_bytes()


def test_a_report_of_a_bucket_is_a_file_here(bucket: str, simulator: Simulator) -> None:
    give("run", f"{bucket}/in.csv", *PROMPT, "--output", f"{bucket}/out.csv", "--shard", "1/1")
    give("report", f"{bucket}/out.csv.run")
    assert Path("out.csv.run.html").is_file()


def test_a_folder_of_parts_has_a_name(bucket: str, simulator: Simulator) -> None:
    refused = give("run", "in.csv", *PROMPT, "--output", f"{bucket}/", "--shard", "1/2", code=1)
    assert f"a folder of parts needs a name in its bucket: {bucket}/answers/" in refused.stderr
    assert simulator.ledger.calls == 0


def test_a_bucket_that_is_not_there_is_named(bucket: str, simulator: Simulator) -> None:
    for words in (["--shard", "1/2"], ["--journal", "run.db"]):
        refused = give("run", "in.csv", *PROMPT, "--output", f"{bucket}-none/out.csv", *words, code=1)
        assert f"there is no '{bucket}-none': create it" in refused.stderr
    assert "there is no file" in give("run", f"{bucket}/x.csv", *PROMPT, "--output", "o.csv", code=1).stderr
