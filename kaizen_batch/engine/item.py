"""The state of one item while it is under way."""

from typing import Any

from msgspec import Struct

from kaizen_batch.engine.journaling import Record
from kaizen_batch.engine.upstream import Upstream
from kaizen_batch.limits.retries import Attempts
from kaizen_batch.prices import Usage
from kaizen_batch.providers import Completion
from kaizen_batch.results import ItemError, ItemResult


class Item(Struct, eq=False):
    """What one item has gone through so far.

    `body` is its request as it goes over the wire, where anybody needs it; `used` counts what has failed on
    the present lane, all else is of all of them. `answered_by` is the model that gave `completion`, `call_usd`
    what the last answered call cost, or at most, None if its price is not known.
    """

    index: int
    upstream: Upstream
    body: bytes | None = None
    record: Record | None = None
    used: Attempts | None = None
    calls: int = 0
    sent_at: float = 0.0
    latency_s: float = 0.0
    completion: Completion | None = None
    answered_by: str | None = None
    usage: Usage | None = None
    call_usd: float | None = 0.0
    cost_usd: float | None = None
    hedged: bool = False
    unanswered: int = 0
    unanswered_usd: float = 0.0

    def result(self, outputs: dict[str, Any], error: ItemError | None, batch: bool, from_model: bool) -> ItemResult:
        """What the item has come to."""
        completion = self.completion
        text = reason = None
        if completion is not None:
            text, reason = completion.text, completion.finish_reason
        return ItemResult(
            self.index,
            outputs,
            error,
            text,
            reason,
            self.usage,
            self.calls,
            self.latency_s,
            self.cost_usd,
            self.answered_by,
            error is None and self.upstream.is_fallback,
            False,
            self.unanswered,
            self.unanswered_usd,
            batch,
            from_model,
        )
