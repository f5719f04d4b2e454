"""A journal of somebody else: no key is sent, nothing is imported and no folder entered before its reader agrees."""

import os
import sys
from pathlib import Path

import pexpect
import pytest

from kaizen_batch.simulator import Simulator
from kaizen_batch.simulator.settings import error_reply
from tests.commands.conftest import HEEDS_CTRL_C, Cli
from tests.trust.kill_processes import ROOT

RUN = ("run", "in.csv", "--prompt", "{text}", "--output", "out.csv")


@pytest.fixture
def rows(folder: Path) -> Path:
    (folder / "in.csv").write_text("text\na\nb\n", encoding="utf-8")
    return folder


def test_a_command_of_ones_own_is_repeated_without_a_question(cli: Cli, rows: Path) -> None:
    with Simulator() as simulator:
        simulator.reply_with(error_reply(400, "bad_request"))
        env = {"OPENAI_BASE_URL": simulator.base_url}
        assert cli(*RUN, env=env).exit_code == 3
        assert cli("retry-failed", "out.csv", env=env).exit_code == 0
        assert cli("retry-failed", "out.csv", "--base-url", simulator.base_url).exit_code == 0


@pytest.mark.parametrize("foreign", ["endpoint", "provider", "fallback", "folder", "config"])
def test_without_a_terminal_the_code_is_2_and_yes_is_named(
    cli: Cli, rows: Path, foreign: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (rows / "evil_module.py").write_text("raise SystemExit('imported')", encoding="utf-8")
    (rows / "run.toml").write_text('model = "other"\n', encoding="utf-8")
    with Simulator() as simulator:
        more: dict[str, tuple[str, ...]] = {
            "endpoint": ("--base-url", simulator.base_url),
            "provider": ("--provider", "mock"),
            "fallback": ("--provider", "mock", "--fallback", '{"base_url": "http://127.0.0.1:9/v1"}'),
            "folder": ("--provider", "mock"),
            "config": ("--provider", "mock", "--config", "run.toml"),
        }
        assert cli(*RUN, *more[foreign], env={"OPENAI_API_KEY": "sk-mine"}).exit_code == 0
        asked = simulator.ledger.calls
        own = ("--provider", "mock") if foreign != "provider" and foreign != "endpoint" else ()
        journal = rows / "out.csv.journal.db"
        if foreign == "folder":
            (rows / "elsewhere").mkdir()
            monkeypatch.chdir(rows / "elsewhere")
        result = cli("retry-failed", str(journal), *own, env={"OPENAI_API_KEY": "sk-mine", "OPENAI_BASE_URL": ""})
        assert result.exit_code == 2, result.output
        assert "--yes" in result.stderr and "endpoint  " in result.stderr
        assert simulator.ledger.calls == asked
        assert cli("retry-failed", str(journal), *own, "--yes").exit_code == 0


@pytest.mark.parametrize("foreign", ["provider", "fallback", "config", "output"])
def test_a_run_folder_of_somebody_else_imports_and_writes_nothing_before_its_reader_agrees(
    cli: Cli, rows: Path, foreign: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(rows))
    (rows / "evil_module.py").write_text(
        "from pathlib import Path\nPath('imported').touch()\nasync def answer(text):\n    return {'result': text}\n"
    )
    (rows / "run.toml").write_text('provider = "evil_module:answer"\n', encoding="utf-8")
    (rows / "elsewhere").mkdir()
    fallback = '{"llm_provider": "mock"}'
    more: dict[str, tuple[str, ...]] = {
        "provider": ("--provider", "evil_module:answer"),
        "fallback": ("--provider", "mock", "--fallback", fallback),
        "config": ("--config", "run.toml"),
        "output": ("--provider", "mock", "--output", str(rows / "elsewhere" / "new.csv")),
    }
    folder = rows / "given" / "out.run"
    assert cli(*RUN, *more[foreign], "--shard", "1/1", "--run-folder", str(folder)).exit_code == 0
    (rows / "imported").unlink(missing_ok=True)
    sys.modules.pop("evil_module", None)
    (rows / "reader").mkdir()
    monkeypatch.chdir(rows / "reader" if foreign == "output" else rows)
    refused = cli("merge", str(folder))
    assert refused.exit_code == 2 and "give --yes" in refused.stderr, refused.output
    assert not (rows / "imported").exists() and "evil_module" not in sys.modules
    assert not list(rows.rglob("out*.csv")) and not list((rows / "elsewhere").iterdir())
    agreed = cli("merge", str(folder), "--yes")
    assert agreed.exit_code == 0, agreed.output


def test_a_provider_that_ones_own_environment_names_is_not_asked_about(
    cli: Cli, rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(rows))
    (rows / "own_module.py").write_text("async def answer(text):\n    return {'result': text}\n")
    monkeypatch.setenv("KAIZEN_PROVIDER", "own_module:answer")
    assert cli(*RUN, "--shard", "1/1").exit_code == 0
    merged = cli("merge", "out.csv.run")
    assert merged.exit_code == 0, merged.output
    sys.modules.pop("own_module", None)


def test_on_a_terminal_it_asks(rows: Path, cli: Cli) -> None:
    assert cli(*RUN, "--provider", "mock").exit_code == 0
    path = os.pathsep.join([str(ROOT), *sys.path])
    for answer, code in (("n", 1), ("y", 0)):
        child = pexpect.spawn(
            HEEDS_CTRL_C[0],
            [*HEEDS_CTRL_C[1:], "retry-failed", "out.csv"],
            cwd=str(rows),
            env={**os.environ, "PYTHONPATH": path, "TERM": "xterm"},  # type: ignore[arg-type] # its stub wants os._Environ
            encoding="utf-8",
            timeout=60,
        )
        child.expect("provider mock")
        child.expect("Run it")
        child.sendline(answer)
        child.expect(pexpect.EOF)
        child.close()
        assert child.exitstatus == code
