"""No file of the user's is lost: what a run did not write, or somebody has edited since, is not replaced."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from kaizen_batch import BatchConfig, FileJob, Journal, run_job
from kaizen_batch.agents import create_agent
from kaizen_batch.errors import ConfigError, JournalError
from tests.commands.conftest import Cli, cli, folder  # noqa: F401 - fixtures

RUN = ("run", "in.csv", "--prompt", "{text}", "--output", "out.csv", "--provider", "mock")
NAMES = ("out.csv", "out.failed.csv", "out.partial.csv")


@pytest.fixture
def rows(folder: Path) -> Path:  # noqa: F811
    (folder / "in.csv").write_text("text\n" + "".join(f"row {number}\n" for number in range(40)), encoding="utf-8")
    return folder


def _error(run: Cli, *more: str) -> str:
    result = run(*RUN, *more)
    assert result.exit_code == 1, result.output
    [line] = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    return line


def test_a_file_of_the_users_stays(cli: Cli, rows: Path) -> None:  # noqa: F811
    (rows / "out.csv").write_text("mine", encoding="utf-8")
    assert "'out.csv' exists, and no run in 'out.csv.journal.db' wrote it: give --overwrite" in _error(cli)
    assert (rows / "out.csv").read_text() == "mine" and not (rows / "out.csv.journal.db").exists()
    assert cli(*RUN, "--overwrite").exit_code == 0


def test_what_a_run_wrote_is_replaced_by_the_next(cli: Cli, rows: Path) -> None:  # noqa: F811
    assert cli(*RUN).exit_code == 0
    assert cli(*RUN).exit_code == 0
    assert "there is no journal" in _error(cli, "--no-journal")
    assert "no run in 'other.db' wrote it" in _error(cli, "--journal", "other.db")


def test_an_empty_file_and_a_stream_are_no_loss(cli: Cli, rows: Path) -> None:  # noqa: F811
    (rows / "out.csv").touch()
    assert cli(*RUN).exit_code == 0
    assert cli("run", "in.csv", "--prompt", "{text}", "--output", "-", "--provider", "mock").exit_code == 0


def test_corrections_by_hand_are_not_overwritten(cli: Cli, rows: Path) -> None:  # noqa: F811
    assert cli(*RUN).exit_code == 0
    edited = (rows / "out.csv").read_text().replace("row 3", "ROW 3")
    (rows / "out.csv").write_text(edited, encoding="utf-8")  # of the same size
    assert "'out.csv' was changed after a run wrote it" in _error(cli)
    assert "rename it to keep the changes, or give --overwrite to discard them" in _error(cli, "--budget", "1")
    assert (rows / "out.csv").read_text() == edited
    assert cli(*RUN, "--overwrite").exit_code == 0
    assert "ROW 3" not in (rows / "out.csv").read_text()
    assert cli(*RUN).exit_code == 0


@pytest.mark.parametrize("more", [("--limit", "5"), ("--sample", "5")])
def test_fewer_rows_do_not_replace_more(cli: Cli, rows: Path, more: tuple[str, str]) -> None:  # noqa: F811
    assert cli(*RUN).exit_code == 0
    assert "'out.csv' has 40 rows, and this run would replace them by at most 5: give --overwrite" in _error(cli, *more)
    assert len((rows / "out.csv").read_text().splitlines()) == 41
    assert cli(*RUN, *more, "--overwrite").exit_code == 0
    assert cli(*RUN).exit_code == 0  # more rows replace fewer


def test_a_shorter_input_does_not_replace_more_rows(cli: Cli, rows: Path) -> None:  # noqa: F811
    assert cli(*RUN).exit_code == 0
    (rows / "in.csv").write_text("text\nonly\n", encoding="utf-8")
    assert "replace them by at most 1: give --overwrite to replace it, or another --output" in _error(cli)


def _job(folder: Path, **options: Any) -> FileJob:  # noqa: F811
    return FileJob(folder / "in.csv", folder / "out.csv", template="{text}", overwrite=False, **options)


def _config(folder: Path, failures: float = 0.0) -> BatchConfig:  # noqa: F811
    options = {"failures": {400: failures}, "seed": 1}
    return BatchConfig(llm_provider="mock", journal=folder / "run.db", provider_options=options, max_concurrent=1)


def _run(folder: Path, config: BatchConfig, **options: Any) -> Any:  # noqa: F811
    return asyncio.run(run_job(_job(folder, **options), create_agent(config), config))


def test_rows_that_were_corrected_in_the_failed_file_are_kept(rows: Path) -> None:
    config = _config(rows, failures=0.3)
    assert _run(rows, config).rows_failed > 2
    failed = rows / "out.failed.csv"
    failed.write_text(failed.read_text() + "\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"out\.failed\.csv' was changed.*make it the input and choose another outp"):
        _run(rows, _config(rows))
    assert failed.exists()


def test_the_partial_file_is_kept_too(rows: Path) -> None:
    partial = rows / "out.partial.csv"
    stopped = _config(rows, failures=0.5).with_options(on_error="raise")
    with pytest.raises(Exception, match="failed"):
        _run(rows, stopped)
    assert partial.exists()
    partial.write_text("mine\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="partial"):
        _run(rows, _config(rows))


def test_a_run_that_was_killed_before_the_rename_leaves_the_file_before(rows: Path) -> None:
    config = _config(rows)
    _run(rows, config)
    journal = Journal(rows / "run.db")
    [before] = journal.kept("file out.csv")  # type: ignore[misc] # a list of one

    async def record() -> None:
        async with journal.writing() as writer:
            writer.shared.keep("file out.csv", [{"size": 1, "sha256": "next", "rows": 40}, before])

    asyncio.run(record())
    _run(rows, config)
    kept = journal.kept("file out.csv")
    assert isinstance(kept, list) and len(kept) == 2 and kept[0] == before


def test_a_folder_that_was_moved_keeps_its_promises(rows: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    _run(rows, _config(rows))
    moved = tmp_path_factory.mktemp("moved") / "here"
    rows.rename(moved)
    _run(moved, _config(moved))
    (moved / "out.csv").write_text("mine", encoding="utf-8")
    with pytest.raises(ConfigError, match="was changed after a run wrote it"):
        _run(moved, _config(moved))


def test_an_output_of_an_earlier_version_is_known_by_its_name(rows: Path) -> None:
    config = _config(rows).with_options(labels={"output": "out.csv", "folder": str(rows)})
    _run(rows, config)
    forget(rows / "run.db")
    _run(rows, config)


def forget(journal: Path) -> None:
    """Remove the record of the output, as a journal of an earlier version has none."""

    async def record() -> None:
        async with Journal(journal).writing() as writer:
            writer.shared.keep("file out.csv", None)

    asyncio.run(record())


def test_a_file_that_is_no_journal_is_what_the_error_is_about(rows: Path) -> None:
    (rows / "out.csv").write_text("mine", encoding="utf-8")
    (rows / "run.db").write_text("no journal", encoding="utf-8")
    with pytest.raises(JournalError):
        _run(rows, _config(rows))


def test_a_library_job_replaces_by_default(rows: Path) -> None:
    config = _config(rows)
    (rows / "out.csv").write_text("mine", encoding="utf-8")
    job = FileJob(rows / "in.csv", rows / "out.csv", template="{text}")
    assert asyncio.run(run_job(job, create_agent(config), config)).rows_written == 40
