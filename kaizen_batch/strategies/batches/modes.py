"""Which mode a run takes: the cheapest that is done in time."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NamedTuple

from kaizen_batch.agents import Agent
from kaizen_batch.config import Mode, RunConfig, finish_at
from kaizen_batch.errors import BadRequestError, ConfigError
from kaizen_batch.journal import Journal
from kaizen_batch.prices import Price
from kaizen_batch.strategies.batches.clock import Clock
from kaizen_batch.strategies.batches.deadline import LiveTime
from kaizen_batch.strategies.batches.job import BatchJob, Input, Watch, ignore
from kaizen_batch.strategies.batches.runner import fill

LEAST_BATCH_S = 3600.0
"""The time beside the live time without which a batch is not worth a try."""

_FLEX_SLOWER = 4.0  # flex may take this many times as long as live calls
_TOKENS = 1000  # in and out, to compare prices
_SWIFTEST_FIRST: tuple[Mode, ...] = ("live", "flex", "batch")

logger: logging.Logger = logging.getLogger(__name__)


class Resolved(NamedTuple):
    """How a run goes on: with this agent; failures since then are its own; so many rows wait for batches."""

    agent: Agent
    since: float | None = None
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class Modes:
    """What each mode costs; a mode that is not among the prices is not offered.

    `left_s` are the seconds that are left, infinite if nothing presses, `live_s` those that the rows take live.
    """

    prices: dict[Mode, Price | None]
    left_s: float
    live_s: float

    def cheapest(self) -> Mode:
        """The cheapest mode that is done in time; of two that cost the same the swifter one; live if none is."""
        in_time = [mode for mode in _SWIFTEST_FIRST if mode in self.prices and self._is_in_time(mode)]
        return min(in_time, key=self._cost, default="live")

    def _is_in_time(self, mode: Mode) -> bool:
        needed = {"live": 0.0, "flex": _FLEX_SLOWER * self.live_s, "batch": 2 * self.live_s + LEAST_BATCH_S}
        return self.left_s >= needed[mode]

    def _cost(self, mode: Mode) -> float:
        price = self.prices[mode]
        if price is None:  # nobody knows any price: a batch is not dearer anywhere
            return 0.0 if mode == "batch" else 1.0
        return price.at_most(_TOKENS, _TOKENS)


@dataclass(frozen=True, slots=True)
class ModeRun:
    """A run whose mode is to be settled; see BatchJob for what the fields are."""

    agent: Agent
    config: RunConfig
    items: Input
    ask_live: Callable[[int], Awaitable[bool]]
    total: int | None = None
    watch: Watch = ignore

    async def resolve(self) -> Resolved:
        """Settle the mode; in batch mode, fill the journal first. Raises: ConfigError, ProviderError, JournalError."""
        mode = self._mode(Clock())
        if mode != "batch":
            return Resolved(self.agent.in_mode(mode))
        try:
            return await self._in_batches()
        except BadRequestError as error:
            if self.config.mode != "auto":
                raise
            logger.warning("the provider takes no batches of this, so the rows are asked live: %s", error.message)
            return Resolved(self.agent)

    def _mode(self, clock: Clock) -> Mode:
        config = self.config
        if config.mode != "auto":
            return config.mode
        if self._has_open_batches():  # their rows wait for them, however little time is left: a batch run ends them
            return "batch"
        left_s = float("inf") if config.finish_by is None else finish_at(config.finish_by, clock.now()) - clock.now()
        mode = Modes(self._prices(), left_s, self._live_s()).cheapest()
        logger.info("mode auto: %s", mode)
        return mode

    def _prices(self) -> dict[Mode, Price | None]:
        """What each mode costs that this agent has."""
        config, agent = self.config, self.agent
        prices: dict[Mode, Price | None] = {"live": config.price or agent.price}
        flex = agent.in_mode("flex").price if prices["live"] is not None else None
        if flex is not None and flex != prices["live"]:
            prices["flex"] = flex
        api = agent.batches(config.batches)
        if api is not None and config.journal is not None:
            prices["batch"] = api.price(agent.name or "", prices["live"])
        return prices

    @property
    def _earlier(self) -> Journal | None:
        """What earlier runs have left."""
        path = self.config.journal
        return Journal(path) if path is not None and path.is_file() else None

    def _has_open_batches(self) -> bool:
        journal, endpoint = self._earlier, self.agent.endpoint
        return journal is not None and any(each.is_open and each.endpoint == endpoint for each in journal.batches())

    def _live_s(self) -> float:
        latency_s = self._earlier.mean_latency_s() if self._earlier is not None else None
        return LiveTime(self.config, latency_s).seconds(self.total or 0)

    async def _in_batches(self) -> Resolved:
        api = self.agent.batches(self.config.batches)
        if api is None:
            name = self.agent.name or type(self.agent).__name__
            raise ConfigError(f"{name!r} cannot be asked in batches: use mode='live', or llm_provider='openai'")
        job = BatchJob(self.agent, self.config, api, self.items, self.ask_live, self.total, self.watch)
        filled = await fill(job)
        return Resolved(self.agent, filled.since, filled.waiting)
