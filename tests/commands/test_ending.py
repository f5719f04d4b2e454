"""The end of a run: what was written, what failed, and the one command that comes next."""

from pathlib import Path

from kaizen_batch.simulator import Simulator
from kaizen_batch.simulator.settings import error_reply
from tests.commands.conftest import RUN, Cli


def test_a_run_that_is_done_has_no_next_command(cli: Cli, folder: Path) -> None:
    (folder / "tickets.csv").write_text("id,text\n1,a\n2,b\n", encoding="utf-8")
    done = cli(*RUN, "--provider", "mock")
    assert done.exit_code == 0, done.output
    assert "wrote     2 rows to labels.csv" in done.stderr
    assert "next" not in done.stderr


def test_after_a_spent_budget_the_next_command_raises_it(cli: Cli, tickets: Path, simulator: Simulator) -> None:
    done = cli(*RUN, "--budget", "0.00055", "--price", "1", "1", "--max-tokens", "100", "--max-concurrent", "1")
    assert done.exit_code == 4, done.output
    [command] = [line.strip() for line in done.stderr.splitlines() if line.strip().startswith("kaizen-batch run")]
    assert "raise the budget" in done.stderr
    assert "--budget 0.00055 " not in f"{command} "
    assert float(command.split("--budget ")[1].split()[0]) > 0.00055


def test_after_failures_that_a_retry_can_help_the_same_command_is_next(cli: Cli, tickets: Path) -> None:
    with Simulator(rate_500=1.0) as broken:
        env = {"OPENAI_BASE_URL": broken.base_url}
        done = cli(*RUN, "--limit", "2", "--timeout", "5", "--deadline", "3", env=env)
    assert done.exit_code in (3, 4)
    assert "kaizen-batch run tickets.csv" in done.stderr


def test_without_a_journal_nothing_was_recorded(cli: Cli, tickets: Path) -> None:
    with Simulator(api_key="sk-right") as simulator:
        env = {"OPENAI_BASE_URL": simulator.base_url, "OPENAI_API_KEY": "sk-wrong"}
        done = cli(*RUN, "--no-journal", env=env)
    assert done.exit_code == 4, done.output
    assert "there is no journal, so nothing was recorded" in done.stderr
    assert "sk-wrong" not in done.stderr


def test_a_base_url_without_a_path_is_named_wherever_the_endpoint_is_not_found(cli: Cli, tickets: Path) -> None:
    with Simulator() as simulator:
        wrong = simulator.base_url.removesuffix("/v1")
        env = {"OPENAI_BASE_URL": wrong, "OPENAI_API_KEY": "sk-x"}
        done, checked = cli(*RUN, env=env), cli("doctor", env=env)
        assert f"warning   the base URL {wrong} has no path, and most endpoints need one" in done.stderr
        [command] = [line.strip() for line in done.stderr.splitlines() if line.startswith("  kaizen-batch run")]
        assert command.endswith(f"--base-url {simulator.base_url}"), done.stderr
        assert "b'" not in done.stderr and "FAIL      endpoint" in checked.stdout, checked.stdout
        assert f"the base URL has no path: give --base-url {simulator.base_url}" in checked.stdout
        assert cli(*RUN, env={**env, "OPENAI_BASE_URL": simulator.base_url}).exit_code == 0


def test_a_code_without_an_advice_shows_its_error(cli: Cli, folder: Path) -> None:
    (folder / "tickets.csv").write_text("id,text\n1,a\n2,b\n", encoding="utf-8")
    with Simulator() as simulator:
        simulator.reply_with(error_reply(400, "strange_thing", "the moon is full"))
        done = cli(*RUN, env={"OPENAI_BASE_URL": simulator.base_url})
    assert "failed    1 strange_thing: HTTP 400: the moon is full\n" in done.stderr


def test_rows_that_would_fail_again_are_to_be_fixed_first(cli: Cli, folder: Path) -> None:
    (folder / "tickets.csv").write_text('id,text\n1,a\n2,""\n', encoding="utf-8")
    done = cli(*RUN, "--provider", "mock")
    assert "1 missing_values (all values that the prompt needs are empty): complete these rows" in done.stderr
    assert "next      Retrying unchanged would fail again. Complete these rows, then run:" in done.stderr


def test_a_budget_that_was_not_spent_says_what_a_call_reserves(cli: Cli, tickets: Path, simulator: Simulator) -> None:
    done = cli(*RUN, "--budget", "0.0022", "--price", "1", "1", "--max-concurrent", "1")
    assert "stopped   the budget does not cover the next call: $" in done.stderr
    assert " of $0.0022 is spent; the next call could cost up to $0.00" in done.stderr
    assert "raise the budget (or give a lower --max-tokens: each call reserves the cost of its longest" in done.stderr
