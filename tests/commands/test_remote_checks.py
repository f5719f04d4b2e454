"""The checks of doctor at the endpoint: key, model, account, parameters, clock."""

import json

import pytest

from kaizen_batch.commands.remote_checks import _clock, _Listing
from kaizen_batch.simulator import Simulator
from tests.commands.conftest import Cli


def states(output: str) -> dict[str, str]:
    return {check["name"]: check["state"] for check in json.loads(output)["checks"]}


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
