"""Rows that can never be sent, because they exceed a limit by themselves."""

from kaizen_batch.agents import Agent
from kaizen_batch.config import BatchConfig
from kaizen_batch.limits import TokenEstimate
from kaizen_batch.prices import context_window_of


class RowLimits:
    """The limits of a single call: tokens per minute, the model's context window, the budget."""

    def __init__(self, config: BatchConfig, agent: Agent) -> None:
        self._output = config.max_tokens or 0
        self._tokens = config.tokens_per_minute
        self._window = context_window_of(config.model, config.url)
        self._budget = config.budget_usd
        self._price = agent.price
        self._estimate = TokenEstimate()

    def exceeded(self, sent_bytes: int) -> list[str]:
        """The reasons why a request of this size never fits; empty if it does."""
        likely = self._estimate.likely(sent_bytes, self._output)
        found = []
        if self._tokens is not None and likely > self._tokens:
            found.append(f"can never fit into --tpm {self._tokens:,}")
        if self._window is not None and likely > self._window:
            found.append(f"are likely longer than the model's context window of {self._window:,} tokens")
        if self._budget is not None and self._price and self._price.at_most(sent_bytes, self._output) > self._budget:
            found.append(f"can cost more than the whole --budget {self._budget:g}")
        return found
