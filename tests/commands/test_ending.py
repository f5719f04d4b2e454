"""The end of a run: what was written, what failed, and the one command that comes next."""

from pathlib import Path

from kaizen_batch.simulator import Simulator
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
