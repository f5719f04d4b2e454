"""The plain dict that users see of one item: its output fields, flat, and the envelope."""

from typing import TYPE_CHECKING, Any, Literal, TypedDict, overload

from kaizen_batch.prices import UsageDict

Outputs = dict[str, Any]
"""The output fields of one item, as its signature or function returns them."""


class ErrorDict(TypedDict):
    """The error of a failed item's result."""

    type: str
    message: str
    code: str
    retryable: bool


class Envelope(TypedDict):
    """The keys that every result has besides its output fields."""

    batch: bool
    index: int
    status: Literal["ok", "error"]
    error: ErrorDict | None


class ModelEnvelope(Envelope):
    """The keys of a result that a model gave; a plain function's result has those of Envelope alone.

    To have your own outputs typed as well, subclass it and cast: `cast(list[TriageResult], results)`.
    """

    response: str | None
    finish_reason: str | None
    usage: UsageDict | None
    attempts: int
    latency_s: float
    cost_usd: float | None
    answered_by: str | None
    from_journal: bool


if TYPE_CHECKING:

    class Result(dict[str, Any]):
        """A result as type checkers see it: the envelope's keys have the types of ModelEnvelope, outputs are Any."""

        @overload
        def __getitem__(self, key: Literal["batch", "from_journal"], /) -> bool: ...
        @overload
        def __getitem__(self, key: Literal["index", "attempts"], /) -> int: ...
        @overload
        def __getitem__(self, key: Literal["latency_s"], /) -> float: ...
        @overload
        def __getitem__(self, key: Literal["cost_usd"], /) -> float | None: ...
        @overload
        def __getitem__(self, key: Literal["status"], /) -> Literal["ok", "error"]: ...
        @overload
        def __getitem__(self, key: Literal["response", "finish_reason", "answered_by"], /) -> str | None: ...
        @overload
        def __getitem__(self, key: Literal["error"], /) -> ErrorDict | None: ...
        @overload
        def __getitem__(self, key: Literal["usage"], /) -> UsageDict | None: ...
        @overload
        def __getitem__(self, key: str, /) -> Any: ...
        def __getitem__(self, key: str, /) -> Any: ...

else:
    Result = dict

ENVELOPE = tuple(Envelope.__annotations__)
MODEL_ENVELOPE = tuple(name for name in ModelEnvelope.__annotations__ if name not in ENVELOPE)

REASONING = "reasoning"
"""The model's reasoning, in a model's result; a signature may have an output of that name, which is kept instead."""

_ENVELOPE_NAMES = frozenset(ENVELOPE)
_MODEL_NAMES = frozenset((*ENVELOPE, *MODEL_ENVELOPE))


def is_from_model(result: Result) -> bool:
    """Whether a model gave it; the result of a plain function has none of a model's fields."""
    return result.keys() >= _MODEL_NAMES


def outputs_of(result: Result) -> Outputs:
    """The output fields of a result, without the envelope."""
    if not is_from_model(result):  # what is called like a model's fields is its own output
        return {name: value for name, value in result.items() if name not in _ENVELOPE_NAMES}
    outputs = {name: value for name, value in result.items() if name not in _MODEL_NAMES}
    if REASONING in outputs and not _is_own_output(result, REASONING):
        del outputs[REASONING]
    return outputs


def _is_own_output(result: Result, name: str) -> bool:
    """Whether the signature has an output of this name: outputs come before the envelope."""
    names = list(result)
    return names.index(name) < names.index(MODEL_ENVELOPE[0])
