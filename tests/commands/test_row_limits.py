"""Rows that can never fit: the reason names the option, and rows that fit have none."""

import pytest

from kaizen_batch import BatchConfig
from kaizen_batch.agents import create_agent
from kaizen_batch.commands.row_limits import RowLimits

PRICE = {"input": 1.0, "output": 2.0}


def exceeded(sent_bytes: int, **options: object) -> list[str]:
    config = BatchConfig(**{"llm_provider": "mock", "model": "gpt-4o", "max_tokens": 100, **options})  # type: ignore[arg-type]
    return RowLimits(config, create_agent(config)).exceeded(sent_bytes)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"tokens_per_minute": 1_000}, "can never fit into --tpm 1,000"),
        ({"base_url": "https://api.openai.com/v1"}, "longer than the model's context window of 128,000 tokens"),
        ({"budget_usd": 0.01, "price": PRICE}, "can cost more than the whole --budget 0.01"),
    ],
)
def test_a_large_row_exceeds_each_limit(options: dict[str, object], reason: str) -> None:
    [found] = [text for text in exceeded(1_000_000, **options) if reason in text]
    assert found
    assert exceeded(100, **options) == []


def test_without_limits_every_row_fits() -> None:
    assert exceeded(1_000_000, model="unknown-model") == []
