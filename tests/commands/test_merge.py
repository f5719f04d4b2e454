"""`merge`: what it says, its exit codes, and the files it will not replace."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.commands.conftest import Cli

WORDS = ["run", "tickets.csv", "--prompt", "{text}", "--provider", "mock", "--output", "out.csv"]


@pytest.fixture
def shards(cli: Cli, tickets: Path) -> Path:
    for number in (1, 2):
        assert cli(*WORDS, "--shard", f"{number}/3").exit_code == 0
    return Path("out.csv.run")


def test_missing_shards_are_named_with_their_command(cli: Cli, shards: Path) -> None:
    found = cli("merge", str(shards))
    assert found.exit_code == 4
    assert "2 of 3 done" in found.stderr and "missing: 3" in found.stderr
    assert "--shard 3/3 --run-folder out.csv.run" in found.stderr
    assert cli(*WORDS, "--shard", "3/3").exit_code == 0
    assert cli("merge", str(shards)).exit_code == 0
    assert not Path("out.partial.csv").exists() and len(Path("out.csv").read_text().splitlines()) > 20


def test_json_has_the_sums(cli: Cli, shards: Path) -> None:
    found = json.loads(cli("merge", str(shards), "--json").stdout)
    assert (found["missing"], found["complete"], found["summary"]["ok"]) == ([3], False, 13)
    assert found["totals"]["attempts"] == 13 and found["exit_code"] == 4


def test_it_can_be_done_from_another_folder(cli: Cli, shards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    where = shards.resolve()
    (where.parent / "elsewhere").mkdir()
    monkeypatch.chdir(where.parent / "elsewhere")
    assert cli("merge", str(where)).exit_code == 4
    assert (where.parent / "out.partial.csv").is_file()


def test_an_output_of_somebody_else_is_not_replaced(cli: Cli, shards: Path) -> None:
    Path("out.csv").write_text("mine\n")
    assert cli(*WORDS, "--shard", "3/3").exit_code == 0
    refused = cli("merge", str(shards))
    assert refused.exit_code == 1 and "--overwrite" in refused.stderr and Path("out.csv").read_text() == "mine\n"
    assert cli("merge", str(shards), "--overwrite").exit_code == 0
    assert cli("merge", str(shards)).exit_code == 0  # its own now


def test_status_and_report_know_the_run_folder(cli: Cli, shards: Path) -> None:
    text = cli("status", str(shards)).stdout
    assert "3: 2 done, 1 not begun" in text and "13 answered" in text
    assert json.loads(cli("status", str(shards), "--json").stdout)["shards"]["done"] == [1, 2]
    assert cli("report", str(shards)).exit_code == 0 and Path("out.csv.run.html").is_file()


@pytest.mark.parametrize("command", ["merge", "status", "report"])
def test_another_folder_is_refused(cli: Cli, folder: Path, command: str) -> None:
    (folder / "other").mkdir()
    found = cli(command, "other")
    assert found.exit_code in (1, 2) and "no run folder" in found.stderr


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_parts_hold_the_rows_in_order(cli: Cli, folder: Path, suffix: str) -> None:
    (folder / "in.csv").write_text("n\n" + "".join(f"{number}\n" for number in range(30)))
    words = [
        "run",
        "in.csv",
        "--prompt",
        "{n}",
        "--provider",
        "mock",
        "--output",
        "answers/",
        "--output-format",
        suffix,
    ]
    for number in (1, 2, 3):
        assert cli(*words, "--shard", f"{number}/3").exit_code == 0
    merged = cli("merge", "answers.run")
    assert merged.exit_code == 0, merged.output
    files = sorted(path.name for path in (folder / "answers").iterdir())
    assert files == [f"part-000{number}.{suffix}" for number in (1, 2, 3)]
    if suffix == "csv":
        lines = [(folder / "answers" / name).read_text().splitlines() for name in files]
        assert {part[0] for part in lines} == {"n,result"}
        assert [line.split(",")[0] for part in lines for line in part[1:]] == [str(number) for number in range(30)]
    else:
        assert pq.read_table(folder / "answers")["n"].to_pylist() == [str(number) for number in range(30)]
