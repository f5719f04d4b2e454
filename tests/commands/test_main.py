"""The command itself: its subcommands, imported only when they run, and its help."""

import subprocess
import sys

import click
import pytest

from kaizen_batch.commands.main import main
from tests.commands.conftest import Cli


def test_every_subcommand_is_in_the_help_and_has_its_name(cli: Cli) -> None:
    text = cli("--help").stdout
    for name in main.list_commands(click.Context(main)):
        assert f"  {name} " in text
        command = main.get_command(click.Context(main), name)
        assert command is not None and command.name == name


def test_without_a_subcommand_it_prints_the_help(cli: Cli) -> None:
    assert cli().exit_code == 0
    assert cli().stdout == cli("--help").stdout


def test_an_unknown_subcommand_is_a_usage_error(cli: Cli) -> None:
    done = cli("rum")
    assert done.exit_code == 2
    assert "rum" in done.stderr


@pytest.mark.parametrize("arguments", [["-m", "kaizen_batch", "--version"]])
def test_it_runs_as_a_module(arguments: list[str]) -> None:
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stdout.startswith("kaizen-batch")


def test_a_misspelled_command_gets_a_suggestion(cli: Cli) -> None:
    result = cli("rnu")
    assert result.exit_code == 2 and "there is no command 'rnu': did you mean 'run'?" in result.stderr
