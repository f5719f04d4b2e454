"""The state of one item while it is under way."""

from dataclasses import dataclass, field
from typing import Any

from kaizen_batch.providers import Completion
from kaizen_batch.results import ItemError, ItemResult
from kaizen_batch.retries import Attempts
from kaizen_batch.strategies.lane import Lane
from kaizen_batch.strategies.record import Record
from kaizen_batch.usage import Usage


@dataclass(slots=True)
class Item:
    """What one item has gone through so far.

    `body` is its request as it goes over the wire, where anybody needs it; `used` counts for the present lane,
    all else for all of them. `call_usd` is what the last answered call cost, or at most.
    """

    index: int
    body: bytes | None = None
    record: Record | None = None
    lane: Lane | None = None
    used: Attempts = field(default_factory=Attempts)
    calls: int = 0
    sent_at: float = 0.0
    latency_s: float = 0.0
    completion: Completion | None = None
    usage: Usage | None = None
    call_usd: float = 0.0
    cost_usd: float | None = None
    hedged: bool = False
    unanswered: int = 0
    unanswered_usd: float = 0.0

    @property
    def answered_by(self) -> str | None:
        """The model that gave the answer."""
        return self.lane.name if self.lane and self.completion else None

    def result(self, outputs: dict[str, Any], error: ItemError | None, *, batch: bool, from_model: bool) -> ItemResult:
        """What the item has come to."""
        completion = self.completion
        return ItemResult(
            index=self.index,
            outputs=outputs,
            error=error,
            response=completion.text if completion else None,
            finish_reason=completion.finish_reason if completion else None,
            usage=self.usage,
            attempts=self.calls,
            latency_s=self.latency_s,
            cost_usd=self.cost_usd,
            answered_by=self.answered_by,
            by_fallback=error is None and self.lane is not None and self.lane.is_fallback,
            unanswered=self.unanswered,
            unanswered_usd=self.unanswered_usd,
            batch=batch,
            from_model=from_model,
        )
