"""The demo: it calls a real endpoint when told to, and names what is missing."""

import pytest

from kaizen_batch.simulator import Simulator
from tests.workflows.conftest import Run


def test_the_demo_asks_a_real_endpoint_when_told_to(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with Simulator() as simulator:
        monkeypatch.setenv("OPENAI_BASE_URL", simulator.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
        result = run("demo", "--provider", "openai")
    assert result.exit_code == 0, result.output
    assert simulator.ledger.billed == 100


def test_the_real_api_without_a_key_is_one_clear_line(run: Run) -> None:
    result = run("demo", "--provider", "openai")
    assert result.exit_code == 1
    assert result.output.startswith("Error: no API key: set OPENAI_API_KEY")


def test_an_option_out_of_range_is_one_clear_line(run: Run) -> None:
    result = run("demo", "--max-concurrent", "0")
    assert result.exit_code == 1
    assert result.output.startswith("Error: option 'max_concurrent' is invalid")
