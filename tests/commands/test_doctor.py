"""`doctor`: one line for each thing that a run needs."""

from kaizen_batch.simulator import Simulator
from tests.commands.conftest import Cli


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
