"""Messages of the library name flags on the command line, wherever they appear."""

import csv
import re
from pathlib import Path

import click
import pytest

from kaizen_batch.commands.flags import _NAMES, flagged
from kaizen_batch.commands.main import main
from kaizen_batch.commands.settings import _OTHER_NAME, _SAME_NAME
from kaizen_batch.results.texts import advice
from kaizen_batch.simulator import Simulator
from tests.commands.conftest import RUN, Cli


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("pass encoding='cp1252', or raise budget_usd", "pass --encoding cp1252, or raise --budget"),
        ("more than the whole budget_usd=1; lower max_tokens", "more than the whole --budget 1; lower --max-tokens"),
        ("option 'timeout_s' is invalid", "option --timeout is invalid"),
        ("check the key (OPENAI_API_KEY or api_key)", "check the key (OPENAI_API_KEY)"),
        ("journal='a.db' in the journal", "--journal a.db in the journal"),
        ("the encoding of /a/base_url/x, my_base_url", "the encoding of /a/base_url/x, my_base_url"),
        ("the value --max-tokens stays", "the value --max-tokens stays"),
    ],
)
def test_options_become_flags(message: str, shown: str) -> None:
    assert flagged(message) == shown


def test_every_option_that_has_a_flag_is_known() -> None:
    run = main.get_command(click.Context(main), "run")
    assert run is not None
    flags = {flag for parameter in run.params for flag in parameter.opts}
    assert {flag for flag in _NAMES.values() if flag.startswith("--")} <= flags
    for name in ({*_SAME_NAME, *_OTHER_NAME.values()} - {"model", "temperature", "adaptive", "pacing"}) - {"endpoints"}:
        assert "_" not in name or name in _NAMES, name


def test_no_advice_names_an_option_of_python() -> None:
    for each in (*advice._CODES.values(), *advice._STOPS.values()):
        assert not re.search(r"\b[a-z]+_[a-z_]+\b", flagged(each.fix)), each.fix


def test_errors_in_the_file_of_failed_rows_name_flags(cli: Cli, tickets: Path, simulator: Simulator) -> None:
    done = cli(*RUN, "--budget", "0.00055", "--price", "1", "1", "--max-tokens", "100", "--max-concurrent", "1")
    assert done.exit_code == 4, done.output
    with Path("labels.failed.csv").open(newline="", encoding="utf-8") as file:
        errors = [row["error"] for row in csv.DictReader(file)]
    assert errors and all("--budget" in error and "budget_usd" not in error for error in errors)


def test_a_missing_or_refused_key_names_the_variable_only(cli: Cli, tickets: Path) -> None:
    missing = cli(*RUN, env={"OPENAI_API_KEY": "", "OPENAI_BASE_URL": ""})
    assert "api_key" not in missing.stderr and "set OPENAI_API_KEY or give --base-url for your own" in missing.stderr
    with Simulator(api_key="sk-right") as simulator:
        env = {"OPENAI_BASE_URL": simulator.base_url, "OPENAI_API_KEY": "sk-wrong"}
        for command in ((*RUN, "--limit", "1"), ("doctor",)):
            refused = cli(*command, env=env)
            assert "OPENAI_API_KEY" in refused.output and "api_key)" not in refused.output, refused.output
