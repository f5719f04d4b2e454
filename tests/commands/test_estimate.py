"""`estimate`: a few real calls, or none, and what they say of all rows."""

import json
from pathlib import Path
from typing import Any

import pytest

from kaizen_batch.journal import Journal
from kaizen_batch.simulator import Simulator
from kaizen_batch.simulator.settings import error_reply
from tests.commands.conftest import Cli

ASK = ("tickets.jsonl", "--prompt", "Classify: {text}", "--output", "labels.jsonl")


@pytest.fixture(autouse=True)
def tickets(folder: Path) -> Path:
    path = folder / "tickets.jsonl"
    lines = [json.dumps({"text": f"ticket {number} " + "word " * (number % 30)}) for number in range(300)]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def found(cli: Cli, *arguments: str, env: dict[str, str] | None = None) -> dict[str, Any]:
    result = cli("estimate", *ASK, *arguments, "--json", env=env)
    assert result.exit_code == 0, result.output
    estimate: dict[str, Any] = json.loads(result.stdout)
    return estimate


def test_offline_needs_no_key_makes_no_call_and_says_what_is_a_guess(cli: Cli) -> None:
    result = cli("estimate", *ASK, "--offline")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == "rows      300"
    assert lines[3] == "time      unknown"
    assert "note      a guess: 0.15 to 0.5 tokens per byte sent" in result.stdout
    assert "genai-prices" in result.stdout
    estimate = found(cli, "--offline")
    cost = estimate["cost_usd"]
    assert 0 < cost["low"] < cost["likely"] < cost["high"]
    assert estimate["canary"] is None and not Path("labels.jsonl.journal.db").exists()


def test_a_canary_is_asked_once_and_paid_once(cli: Cli) -> None:
    with Simulator(price_input=1.0, price_output=1.0) as simulator:
        env = {"OPENAI_BASE_URL": simulator.base_url}
        estimate = found(cli, "--canary", "20", "--price", "1", "1", env=env)
        assert simulator.ledger.calls == 20
        assert estimate["canary"] == {
            "rows": 20,
            "failed": 0,
            "calls": 20,
            "cost_usd": pytest.approx(estimate["canary"]["cost_usd"]),
        }
        assert Journal("labels.jsonl.journal.db").count()["done"] == 20
        assert cli("run", *ASK, "--price", "1", "1", env=env).exit_code == 0
        assert simulator.ledger.calls == 300
        spent = sum(entry.usd for entry in simulator.ledger.entries)
    cost = estimate["cost_usd"]
    assert cost["low"] <= spent <= cost["high"]
    assert cost["high"] - cost["low"] < spent


def test_rows_that_the_journal_can_answer_are_named(cli: Cli) -> None:
    with Simulator() as simulator:
        env = {"OPENAI_BASE_URL": simulator.base_url}
        first = found(cli, "--canary", "20", env=env)
        assert cli("run", *ASK, env=env).exit_code == 0
        again = found(cli, env=env)
        assert simulator.ledger.calls == 300
    assert not any("in labels.jsonl.journal.db: they" in note for note in first["notes"])
    assert any(note.startswith("300 of these 300 rows have their answer in") for note in again["notes"])


def test_all_rows_of_a_small_input_are_exact(cli: Cli) -> None:
    with Simulator() as simulator:
        estimate = found(cli, "--limit", "4", "--price", "1", "1", env={"OPENAI_BASE_URL": simulator.base_url})
    assert simulator.ledger.calls == 4
    assert estimate["rows"] == 4
    assert estimate["cost_usd"]["low"] == estimate["cost_usd"]["high"] == pytest.approx(estimate["canary"]["cost_usd"])


def test_limits_make_the_time(cli: Cli) -> None:
    with Simulator() as simulator:
        estimate = found(cli, "--rpm", "60", "--canary", "5", env={"OPENAI_BASE_URL": simulator.base_url})
    assert estimate["seconds"]["likely"] == pytest.approx(240, rel=0.05)  # the first minute's rows go at once
    assert estimate["seconds"]["low"] < 240 < estimate["seconds"]["high"]


def test_a_sample_costs_its_share(cli: Cli) -> None:
    whole, part = (found(cli, "--offline", *more) for more in ((), ("--sample", "30")))
    assert part["rows"] == 30
    assert part["cost_usd"]["likely"] == pytest.approx(whole["cost_usd"]["likely"] / 10, rel=0.01)


def test_rows_that_can_never_fit_are_named(cli: Cli, tickets: Path) -> None:
    with tickets.open("a", encoding="utf-8") as file:
        file.write("\n" + json.dumps({"text": "x" * 9_000}) + "\n" + json.dumps({"other": 1}))
        file.write("\n" + json.dumps({"text": "y" * 700_000}))
    warnings = " ".join(
        found(cli, "--offline", "--tpm", "2000", "--budget", "0.001", "--max-tokens", "200")["warnings"]
    )
    assert "2 rows can never fit into --tpm 2,000: row 301, 303" in warnings
    assert "1 rows are likely longer than the model's context window of 128,000 tokens: row 303" in warnings
    assert "rows can cost more than the whole --budget 0.001" in warnings
    assert "1 rows cannot be asked" in warnings
    assert "the budget of $0.001 may end the run after some" in warnings


def test_a_model_without_a_price_is_named(cli: Cli) -> None:
    estimate = found(cli, "--offline", "--base-url", "http://127.0.0.1:9/v1")
    assert estimate["cost_usd"] is None
    assert "give --price IN OUT" in estimate["warnings"][0]


@pytest.mark.parametrize("answered", [0, 3])
def test_endless_429s_end_with_what_is_known(cli: Cli, answered: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kaizen_batch.commands.estimate._LONGEST_S", 1.0)
    with Simulator() as simulator:
        refusal = error_reply(429, "rate_limit_exceeded").with_headers({"retry-after": "1"})
        simulator.reply_with(*[None] * answered, *[refusal] * 100)
        more = ("--price", "1", "1", "--max-concurrent", "1")
        estimate = found(cli, *more, env={"OPENAI_BASE_URL": simulator.base_url})
    assert f"{answered} of the 10 rows were answered within" in " ".join(estimate["warnings"])
    cost, seconds = estimate["cost_usd"], estimate["seconds"]
    assert cost["low"] < cost["likely"] < cost["high"]
    assert (seconds is None) == (answered == 0)


def test_a_canary_that_fails_says_why(cli: Cli) -> None:
    with Simulator(quota_after=0) as simulator:
        env = {"OPENAI_BASE_URL": simulator.base_url}
        stopped = cli("estimate", *ASK, env=env)
    assert stopped.exit_code == 1 and "Error: the account has no credit left: " in stopped.stderr
    with Simulator() as simulator:
        simulator.reply_with(*[error_reply(400, "bad_request", "not this one")] * 2)
        env = {"OPENAI_BASE_URL": simulator.base_url}
        failed = cli("estimate", *ASK, "--canary", "2", env=env)
        assert failed.exit_code == 1
        assert "none of the 2 rows was answered; the first error: HTTP 400: not this one" in failed.stderr
        simulator.reply_with(error_reply(400, "bad_request", "not this one"))
        some = found(cli, "--canary", "5", env=env)
    assert "1 of the 5 rows failed: bad_request 1" in some["warnings"]


def test_no_rows_are_no_question(cli: Cli, tickets: Path) -> None:
    tickets.write_text('{"other": 1}\n', encoding="utf-8")
    estimate = found(cli, env={"OPENAI_API_KEY": "x"})
    assert (estimate["rows"], estimate["cost_usd"]["high"], estimate["canary"]) == (0, 0.0, None)
