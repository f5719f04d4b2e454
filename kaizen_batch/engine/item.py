"""The state of one item, and of one call for it, while they are under way."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, NoReturn

from msgspec import Struct

from kaizen_batch.agents import Loading
from kaizen_batch.agents.foreign_errors import as_batch_error
from kaizen_batch.engine.journaling import Record
from kaizen_batch.engine.upstream import Upstream
from kaizen_batch.errors import AgentError, KaizenBatchError
from kaizen_batch.journal import StoredAnswer
from kaizen_batch.limits import Reservation
from kaizen_batch.limits.retries import AttemptCounts
from kaizen_batch.prices import Usage
from kaizen_batch.providers import Completion
from kaizen_batch.results import Outputs

_MOST = 2**63 - 1

ReleaseSlot = Callable[[], AbstractContextManager[None]]
"""Entered while an item waits for something other than its own call, so that another item takes its slot."""


class Item(Struct, eq=False):
    """What one item has gone through so far; `task` is the one that carries it.

    `body` is its request as it is sent, where anybody needs it; `used` counts what failed on the present upstream, all
    else is of all of them. `attempt` is the number of the last call that was sent (0: none), `reservation` that of the
    call that was sent or answered last. `answered_by` is the model that gave `completion`. `from_journal` says that an
    earlier call has answered it.
    """

    index: int
    inputs: Any
    release_slot: ReleaseSlot
    upstream: Upstream
    task: asyncio.Task[Any] | None = None
    request: Any = None
    body: bytes | None = None
    record: Record | None = None
    used: AttemptCounts | None = None
    attempt: int = 0
    reservation: Reservation | None = None
    latency_s: float = 0.0
    completion: Completion | None = None
    answered_by: str | None = None
    usage: Usage | None = None
    cost_usd: float | None = None
    hedged: bool = False
    unanswered: int = 0
    unanswered_usd: float = 0.0
    from_journal: bool = False

    @property
    def call_usd(self) -> float | None:
        """What the last answered call cost, or at most; None if its price is not known."""
        reservation = self.reservation
        if reservation is None:
            return 0.0
        if reservation.used_usd is None and self.upstream.price is not None:
            return reservation.usd  # an answer that does not say what it took may have taken all that was reserved
        return reservation.used_usd

    def prepare(self) -> None:
        """Make the request for the present upstream. Raises: what the agent raises, never a cancellation."""
        try:
            self.request = self.upstream.agent.prepare(self.inputs)
        except asyncio.CancelledError:  # let through, it would end more than this item
            raise cancelled("prepare") from None

    async def load(self) -> None:
        """Read the files that the request needs, in a thread. Raises: InputError."""
        if isinstance(self.request, Loading):
            self.request = await asyncio.to_thread(self.request.read)

    def parse(self, completion: Completion) -> Outputs:
        """Read the outputs of a completion in a journal. Raises: what the agent raises, never a cancellation."""
        try:
            outputs = self.upstream.agent.parse_stored(self.request, completion)
        except asyncio.CancelledError:
            raise cancelled("parse") from None
        return outputs if isinstance(outputs, dict) else _no_dict(outputs)

    def accept(self, completion: Completion) -> Outputs:
        """Keep the completion of a call and read its outputs; one that cannot be read goes to the journal as such."""
        upstream = self.upstream
        self.completion = completion
        self.answered_by = completion.model or upstream.name
        try:  # as in `parse`, without the cost of a call for each item
            outputs = upstream.agent.parse(self.request, completion)
            return outputs if isinstance(outputs, dict) else _no_dict(outputs)
        except asyncio.CancelledError:
            raise self._unreadable(cancelled("parse")) from None
        except Exception as error:
            self._unreadable(as_batch_error(error))
            raise

    def _unreadable(self, error: KaizenBatchError) -> KaizenBatchError:
        if self.record is not None:
            self.record.unusable(error, self.answer(), self.call_usd)
        return error

    def answer(self) -> StoredAnswer:
        """The completion as the journal keeps it. Raises: AgentError for one that no file can hold."""
        completion = self.completion
        assert completion is not None
        _check(completion, self.usage)
        return StoredAnswer(
            text=completion.text,
            finish_reason=completion.finish_reason,
            refusal=completion.refusal,
            model=completion.model,
            answered_by=self.answered_by,
            value=completion.value,
            usage=completion.usage,
            latency_s=self.latency_s,
            reasoning=completion.reasoning,
            max_tokens=self.upstream.agent.max_output(None),
        )


def _no_dict(outputs: object) -> NoReturn:
    raise AgentError(f"parse must return a dict; it returned a {type(outputs).__name__}")


def cancelled(step: str) -> AgentError:
    """The error of an agent that cancelled itself, which must not end more than its item."""
    return AgentError(f"{step} was cancelled from within", code="cancelled")


def _check(completion: Completion, usage: Usage | None) -> None:
    """Raise AgentError for an answer of a foreign agent that no file can hold: it must not end the run."""
    texts = (completion.text, completion.finish_reason, completion.refusal, completion.model, completion.reasoning)
    for text in texts:
        if text is not None and not isinstance(text, str):
            raise AgentError("text, finish_reason, refusal, model and reasoning of a Completion must be texts or None")
    if usage is not None and max(usage.input_tokens, usage.output_tokens, usage.cached_tokens) > _MOST:
        raise AgentError(f"the counts of a Usage must not be above {_MOST:,}")
