"""The same rows in each mode, side by side."""

from pathlib import Path

from kaizen_batch import BatchConfig, BatchSettings, Price
from kaizen_batch.agents import create_agent
from kaizen_batch.commands.forecast import Forecast, Range
from kaizen_batch.commands.mode_costs import as_dicts, mode_costs, mode_lines

TOKENS = Range(1_000_000, 1_000_000, 1_000_000)
FORECAST = Forecast(1000, TOKENS, TOKENS, Range(3.0, 3.0, 3.0), Range(60, 60, 60))


def test_a_batch_at_a_price_of_its_own_is_a_choice() -> None:
    config = BatchConfig(
        base_url="http://127.0.0.1:1/v1",
        price=Price(1, 2),
        batches=BatchSettings(price=Price(0.5, 1)),
        journal=Path("j"),
    )
    costs = mode_costs(FORECAST, create_agent(config), config)
    assert [line.text for line in mode_lines(costs)] == ["live: $3.00, 1 min 00 s", "batch: $1.50, within 24 h"]
    assert as_dicts(costs)[1]["mode"] == "batch"


def test_openai_has_batches_and_for_some_models_flex() -> None:
    config = BatchConfig(api_key="none", model="gpt-5-mini")
    texts = [each.text() for each in mode_costs(FORECAST, create_agent(config), config)]
    assert [text.partition(":")[0] for text in texts] == ["live", "flex", "batch"]
    assert texts[1].endswith(", slower")


def test_without_another_price_there_is_no_choice() -> None:
    config = BatchConfig(llm_provider="mock")
    costs = mode_costs(FORECAST, create_agent(config), config)
    assert [each.mode for each in costs] == ["live"]
    assert mode_lines(costs) == []
