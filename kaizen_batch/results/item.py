"""One item's outcome, and why it failed."""

from dataclasses import dataclass
from typing import Literal

from msgspec import Struct

from kaizen_batch.errors import KaizenBatchError
from kaizen_batch.prices import Usage
from kaizen_batch.results.envelope import REASONING, ErrorDict, Outputs, Result


@dataclass(frozen=True, slots=True)
class ItemError:
    """Why an item failed.

    `type` is the error's class name, `code` the cause for programs, `retryable` whether the same item can succeed
    in a later run.
    """

    type: str
    message: str
    code: str
    retryable: bool

    @classmethod
    def of(cls, error: KaizenBatchError) -> "ItemError":
        """The record of an exception of this package."""
        return cls(error.type_name, error.message, error.code, error.retryable)

    def to_dict(self) -> ErrorDict:
        """The same as a JSON-able dict."""
        return {"type": self.type, "message": self.message, "code": self.code, "retryable": self.retryable}


NOT_ATTEMPTED = ("not_attempted", "in_batch")
"""The codes of items for which no call was made in this run."""


class ItemResult(Struct, frozen=True, gc=False):
    """One item's outcome.

    `latency_s` is how long the last call took, in seconds; `attempts` counts the calls made for the item in this
    run. `cost_usd` is what its answer cost, whoever paid it, and None if the price is unknown. `answered_by` is the
    model that answered, as the endpoint names it; `by_fallback` says whether a fallback was asked. `from_journal` says
    that no call was needed: an earlier run, or an identical item, had the answer. `unanswered` counts calls, earlier
    runs' included, whose answer nobody saw and which may have been billed with at most `unanswered_usd`. `from_model`
    is False for the result of a plain function, which has none of these.
    """

    index: int
    outputs: Outputs
    error: ItemError | None = None
    response: str | None = None
    finish_reason: str | None = None
    usage: Usage | None = None
    attempts: int = 0
    latency_s: float = 0.0
    cost_usd: float | None = None
    answered_by: str | None = None
    by_fallback: bool = False
    from_journal: bool = False
    unanswered: int = 0
    unanswered_usd: float = 0.0
    batch: bool = True
    from_model: bool = True
    reasoning: str | None = None

    @property
    def status(self) -> Literal["ok", "error"]:
        """`"ok"` or `"error"`."""
        return "ok" if self.error is None else "error"

    def to_dict(self) -> Result:
        """The plain, JSON-able dict that users see: the output fields, flat, and the envelope."""
        result = Result(self.outputs)
        if self.from_model:
            usage = self.usage
            result["response"] = self.response
            result["finish_reason"] = self.finish_reason
            result["usage"] = usage.to_dict() if usage is not None else None
            result["attempts"] = self.attempts
            result["latency_s"] = self.latency_s
            result["cost_usd"] = self.cost_usd
            result["answered_by"] = self.answered_by
            result["from_journal"] = self.from_journal
            result.setdefault(REASONING, self.reasoning)  # an output of that name is the signature's own
        error = self.error
        result["batch"] = self.batch
        result["index"] = self.index
        result["status"] = "ok" if error is None else "error"
        result["error"] = None if error is None else error.to_dict()
        return result
