"""What the same rows cost in each mode, side by side."""

from dataclasses import asdict, dataclass

from kaizen_batch.agents import Agent
from kaizen_batch.commands.forecast import Forecast, Range, repriced
from kaizen_batch.commands.forecast_text import range_text
from kaizen_batch.config import BatchConfig, Mode
from kaizen_batch.results.texts.numbers import duration, usd
from kaizen_batch.results.texts.summary import Line

_BATCH_S = 86_400.0


@dataclass(frozen=True, slots=True)
class ModeCost:
    """One mode: its cost in USD and its time in seconds, None where unknown; a batch takes at most so long."""

    mode: Mode
    cost_usd: Range | None
    seconds: Range | None
    most_s: float | None = None

    def text(self) -> str:
        """The same in words."""
        cost = range_text(self.cost_usd, usd) if self.cost_usd else "unknown"
        if self.most_s is not None:
            return f"{self.mode}: {cost}, within {self.most_s / 3600:g} h"
        if self.seconds is not None:
            return f"{self.mode}: {cost}, {range_text(self.seconds, duration)}"
        return f"{self.mode}: {cost}{', slower' if self.mode == 'flex' else ''}"


def mode_costs(forecast: Forecast, agent: Agent, config: BatchConfig) -> list[ModeCost]:
    """The modes that the model has here; only live if it has no other, or if nobody knows their prices."""
    found = [ModeCost("live", forecast.cost_usd, forecast.seconds)]
    flex, live = agent.in_mode("flex").price, config.price or agent.price
    if flex is not None and flex != live:
        found.append(ModeCost("flex", repriced(forecast, flex), None))
    api = agent.batches(config.batches)
    price = None if api is None else api.price(agent.name or "", live)
    if price is not None and price != live:
        found.append(ModeCost("batch", repriced(forecast, price), None, _BATCH_S))
    return found


def mode_lines(costs: list[ModeCost]) -> list[Line]:
    """A line each, if there is a choice."""
    if len(costs) < 2:
        return []
    return [Line(" " if number else "modes", each.text()) for number, each in enumerate(costs)]


def as_dicts(costs: list[ModeCost]) -> list[dict[str, object]]:
    """The same for `--json`."""
    return [asdict(each) for each in costs]
