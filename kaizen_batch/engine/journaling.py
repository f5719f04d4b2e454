"""One item's hold on the journal, and the key of its request."""

import asyncio
import logging
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any

from kaizen_batch.agents import Agent
from kaizen_batch.config import RunConfig
from kaizen_batch.errors import JournalError, KaizenBatchError
from kaizen_batch.journal import Entry, JournalWriter, StoredAnswer
from kaizen_batch.journal.canonical import stored_request
from kaizen_batch.limits import Reservation
from kaizen_batch.providers import Completion
from kaizen_batch.results import ItemError

logger: logging.Logger = logging.getLogger(__name__)


def describe(agent: Agent, config: RunConfig) -> dict[str, Any]:
    """What the journal keeps of a run: its options, without any secret."""
    options = config.model_dump(mode="json")
    if agent.config is not None:
        options = {**agent.config.model_dump(mode="json", exclude={"provider_options"}), **options}
    return {"endpoint": agent.endpoint, "config": options}


class Record:
    """The row of one item's request; see JournalWriter for what each step promises."""

    __slots__ = ("_index", "_journal", "_request", "key")

    def __init__(self, journal: JournalWriter, key: bytes, index: int, body: bytes) -> None:
        self._journal = journal
        self.key: bytes = key
        self._index = index
        self._request, media = stored_request(body)
        for each in media:
            with suppress(JournalError):
                journal.media(each)

    @property
    def may_be_known(self) -> bool:
        """Whether `look_up` could find something; False is certain, and nearly free."""
        return self._journal.may_know(self.key)

    def claim(self) -> "asyncio.Future[None] | None":
        """None if this run may ask it now, and must `release` it; else a future that is done when another run has."""
        return self._journal.claim(self.key)

    def release(self) -> None:
        """Let other runs of this process ask it, or find the answer."""
        self._journal.release(self.key)

    def look_up(self) -> Awaitable[Entry | None]:
        """What earlier runs, and earlier items of this one, know of the request."""
        return self._journal.look_up(self.key)

    def begin(self, reservation: Reservation) -> Awaitable[None]:
        """A call is about to be sent."""
        return self._journal.begin(self.key, item=self._index, request=self._request, at_risk_usd=reservation.usd)

    def unsent(self) -> None:
        """The call that began was not sent after all: it counts neither as a call nor as a failure."""
        with suppress(JournalError):
            self._journal.unsent(self.key)

    def ended(self, error: KaizenBatchError, *, spent_usd: float = 0.0, may_be_billed: bool = False) -> None:
        """A call ended and the item has no result yet."""
        with suppress(JournalError):  # a journal that broke says so to the next who awaits it
            self._journal.end_call(self.key, ItemError.of(error), spent_usd=spent_usd, may_be_billed=may_be_billed)

    def unusable(self, error: KaizenBatchError, answer: StoredAnswer, spent_usd: float | None) -> None:
        """A call was answered and paid, and its answer cannot be used; it is kept all the same."""
        with suppress(JournalError):
            self._journal.unusable(self.key, ItemError.of(error), answer, spent_usd=spent_usd)

    def done(self, answer: StoredAnswer, spent_usd: float | None) -> Awaitable[None]:
        """The item has its answer, which is on the disk once this was awaited."""
        return self._journal.done(self.key, answer, spent_usd=spent_usd)

    def refused_in_this_run(self, entry: Entry) -> ItemError | None:
        """Why the same request was refused for good a while ago; earlier runs' refusals are asked again."""
        error = entry.error
        new = entry.state == "failed" and (entry.ended_at or 0.0) >= self._journal.opened_at
        return error if new and error is not None and not error.retryable else None

    def reject(self, error: KaizenBatchError) -> None:
        """The answer that the journal has cannot be used after all."""
        with suppress(JournalError):
            self._journal.reject(self.key, ItemError.of(error))

    def failed(self, error: KaizenBatchError) -> Awaitable[None]:
        """The item has failed for good; its calls have been told before."""
        return self._journal.failed(self.key, ItemError.of(error))


def may_be_longer(agent: Agent, answer: StoredAnswer) -> bool:
    """Whether an answer was cut off by a limit, and the user has explicitly set a higher one."""
    limit, wanted = answer.max_tokens, _explicit_limit(agent)
    return answer.finish_reason == "length" and limit is not None and wanted is not None and wanted > limit


def _explicit_limit(agent: Agent) -> int | None:
    # None is no limit that was asked for: it leaves the length to the endpoint, and commands do so by default.
    config = agent.config
    return config.max_tokens if config is not None and "max_tokens" in config.model_fields_set else None


def announce(journal: JournalWriter, agent: Agent) -> None:
    """Say, before the first call, how many answers of the journal may be asked again."""
    limit, found = _explicit_limit(agent), journal.findings
    if limit is not None and (number := found.truncated_below(limit)):
        logger.warning(
            "up to %d answers in the journal were cut off by a lower max_tokens than %d, and are asked again",
            number,
            limit,
        )
    if found.empty and agent.config is not None and agent.config.on_empty == "fail":
        logger.warning("up to %d answers in the journal are empty, and are asked again", found.empty)


def completion_of(answer: StoredAnswer) -> Completion:
    """The completion that an answer was made from."""
    return Completion(
        text=answer.text,
        usage=answer.usage,
        finish_reason=answer.finish_reason,
        refusal=answer.refusal,
        model=answer.model,
        value=answer.value,
        reasoning=answer.reasoning,
    )
