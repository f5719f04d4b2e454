"""`doctor`: one line for each thing that a run needs."""

import json
from pathlib import Path

import pytest

from kaizen_batch.commands import checks
from kaizen_batch.commands.remote_checks import _clock, _Listing
from kaizen_batch.simulator import Simulator
from tests.commands.conftest import Cli


def states(output: str) -> dict[str, str]:
    return {check["name"]: check["state"] for check in json.loads(output)["checks"]}


def test_all_is_well(cli: Cli) -> None:
    with Simulator(requests_per_minute=600, tokens_per_minute=90_000) as simulator:
        result = cli("doctor", env={"OPENAI_BASE_URL": simulator.base_url, "OPENAI_API_KEY": "sk-test"})
        assert simulator.ledger.calls == 1
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["ok", name] for name in ("key", "endpoint", "model", "clock", "call", "limits", "disk")
    ]
    assert "599 of 600 requests left" in result.stdout
    assert "sk-test" not in result.output


def test_no_call_is_made_when_it_is_not_wanted(cli: Cli) -> None:
    with Simulator() as simulator:
        result = cli("doctor", "--no-call", "--base-url", simulator.base_url, env={"OPENAI_API_KEY": "x"})
        assert simulator.ledger.calls == 0
    assert result.exit_code == 0


def test_without_a_key_it_says_how_to_set_one_and_asks_nobody(cli: Cli) -> None:
    result = cli("doctor")
    assert result.exit_code == 1
    assert "FAIL      key       OPENAI_API_KEY is not set: export OPENAI_API_KEY=" in result.stdout
    assert "endpoint" not in result.stdout


def test_a_wrong_key_a_wrong_model_an_empty_account_are_distinguished(cli: Cli) -> None:
    with Simulator(api_key="sk-right") as simulator:
        wrong = cli("doctor", "--json", env={"OPENAI_BASE_URL": simulator.base_url, "OPENAI_API_KEY": "sk-wrong"})
    assert wrong.exit_code == 1 and states(wrong.stdout)["key"] == "fail"
    with Simulator(quota_after=0) as simulator:
        given = {"OPENAI_BASE_URL": simulator.base_url}
        empty = cli("doctor", "--json", "--model", "gpt-4o-mimi", env=given)
    assert empty.exit_code == 1
    found = states(empty.stdout)
    assert (found["key"], found["model"], found["account"]) == ("warn", "warn", "fail")
    assert "did you mean 'gpt-4o-mini'?" in empty.stdout


def test_an_endpoint_that_is_not_there(cli: Cli) -> None:
    with Simulator() as simulator:
        gone = simulator.base_url
    result = cli("doctor", "--base-url", gone)
    assert result.exit_code == 1
    assert f"FAIL      endpoint  {gone}: " in result.stdout
    assert "check the address, the network and the proxy" in result.stdout


def test_a_model_that_refuses_parameters_is_asked_without_them(cli: Cli) -> None:
    with Simulator() as simulator:
        result = cli("doctor", "--json", "--model", "o3-mini", "--base-url", simulator.base_url)
    assert states(result.stdout)["call"] == "ok", result.output


@pytest.mark.parametrize(
    ("date", "state"), [(None, "ok"), ("no date", "ok"), ("Wed, 21 Oct 2015 07:28:00 GMT", "warn")]
)
def test_the_clock(date: str | None, state: str) -> None:
    assert _clock(_Listing(200, [], date, 0.1)).state == state


def test_a_disk_that_is_slow_full_or_missing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert checks.check_disk(folder / "none" / "run.db").state == "fail"
    monkeypatch.setattr(checks, "_commit_s", lambda folder: 0.2)
    slow = checks.check_disk(folder / "run.db")
    assert (slow.state, slow.fix) == ("warn", "choose a journal on a local disk; network drives slow a run down")
    monkeypatch.setattr(checks, "_LEAST_FREE", 1 << 62)
    assert checks.check_disk(folder / "run.db").fix == "free some space, or choose a journal elsewhere"
