"""A forecast as lines of text: one number if it is certain, else the likely one with its bounds."""

from kaizen_batch.commands.forecast import Forecast, Range
from kaizen_batch.commands.forecast_text import lines_of


def texts(**figures: object) -> dict[str, str]:
    certain = Range(5.0, 5.0, 5.0)
    forecast = Forecast(**{  # type: ignore[arg-type]
        "rows": 1_200, "input_tokens": certain, "output_tokens": certain, "cost_usd": None, "seconds": None, **figures,
    })  # fmt: skip
    return {line.label: line.text for line in lines_of(forecast, 10)}


def test_a_certain_figure_is_one_number() -> None:
    assert texts()["tokens"] == "in 5, out 5"
    assert texts()["rows"] == "1,200"


def test_an_uncertain_figure_has_its_bounds() -> None:
    found = texts(output_tokens=Range(1.0, 20.0, 300.0), seconds=Range(1.0, 2.0, 60.0))
    assert found["tokens"] == "in 5, out 20 (1 to 300)"
    assert found["time"].endswith(" with 10 concurrent calls")


def test_what_is_not_known_is_called_unknown() -> None:
    assert (texts()["cost"], texts()["time"]) == ("unknown", "unknown")


def test_millions_of_tokens_are_shortened() -> None:
    assert texts(input_tokens=Range(2e6, 2e6, 2e6))["tokens"].startswith("in 2")
    assert "2,000,000" not in texts(input_tokens=Range(2e6, 2e6, 2e6))["tokens"]
