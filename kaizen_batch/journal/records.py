"""What the journal keeps of one request, as frozen values, and how they become columns and back."""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple, get_args

from msgspec import Struct, structs

from kaizen_batch.journal.checksums import Cells, as_text, checksum, is_intact, is_row_intact
from kaizen_batch.journal.schema import NO_ANSWER
from kaizen_batch.prices import Usage
from kaizen_batch.results import ItemError

State = Literal["in_flight", "submitted", "done", "failed", "unknown"]
STATES: tuple[State, ...] = get_args(State)

DAMAGED = ItemError("JournalError", "the row was damaged on the disk; it is asked again", "journal_row_damaged", True)
"""The error of a row that is not as it was written."""

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class StoredAnswer(Struct, frozen=True, gc=False):
    """What the endpoint answered to one call.

    `value` is anything JSON can hold, `usage` None if the endpoint did not say, `answered_by` the model or endpoint
    that served it, `latency_s` seconds, `reasoning` what the model said it thought, `max_tokens` the limit that was
    set on the length of the answer.
    """

    text: str | None = None
    finish_reason: str | None = None
    refusal: str | None = None
    model: str | None = None
    answered_by: str | None = None
    value: Any = None
    usage: Usage | None = None
    latency_s: float = 0.0
    reasoning: str | None = None
    max_tokens: int | None = None


class Entry(Struct, frozen=True, gc=False):
    """All that is known of one request.

    `key` is the digest of the request, `item` the index of the first item that asked it (-1 if not known),
    `request` the body as configured, as JSON text. `attempts` counts the calls begun over all runs; `begun_at` and
    `ended_at` are Unix times of the last one. `spent_usd` is what the answered calls cost, except for `unpriced` calls
    whose price is not known. `unanswered` counts the calls that may have been billed without an answer,
    `unanswered_usd` is what they cost at most, `at_risk_usd` what the call in flight, or in a batch, can cost at most.
    `via` says how the last call was made: `live`, `flex` or `batch`; `batch` is the number of its batch.
    """

    key: bytes
    state: State
    item: int
    request: str
    attempts: int
    begun_at: float | None
    ended_at: float | None
    answer: StoredAnswer | None
    error: ItemError | None
    spent_usd: float
    unanswered: int
    unanswered_usd: float
    at_risk_usd: float
    unpriced: int = 0
    via: str = "live"
    batch: int | None = None

    def to_dict(self) -> dict[str, object]:
        """The same as a flat, JSON-able dict: the key in hex, the request as the object that was sent."""
        row = structs.asdict(self)
        del row["answer"]
        row.update(key=self.key.hex(), request=_object(self.request), error=asdict(self.error) if self.error else None)
        answer = self.answer or StoredAnswer()
        row.update(structs.asdict(answer))
        row.update(usage=answer.usage.to_dict() if answer.usage else None)
        row.update(latency_s=self.answer.latency_s if self.answer else None)
        return row


class BatchRow(NamedTuple):
    """A request that goes into a batch: `request` is the body as JSON text, `at_risk_usd` what it can cost at most."""

    key: bytes
    item: int
    request: str
    at_risk_usd: float


class Outline(NamedTuple):
    """The few cells of an Entry that are quick to read, whatever its prompts weigh; `latency_s` is None unanswered."""

    key: bytes
    state: State
    item: int
    latency_s: float | None
    error: ItemError | None


class InputRow(NamedTuple):
    """One row of a job's input: its number in the run, the user's own name for it, the key of its request, its status.

    `status` is `ok`, `failed` or `not_attempted`; `key` is None for a row that made no request. A row that is not as it
    was written has the status `damaged`, and neither id nor key.
    """

    number: int
    id: str | None
    key: bytes | None
    status: str

    @property
    def name(self) -> str:
        """How the user calls it: by its id, else by its number, counted from 1."""
        return self.id if self.id is not None else f"{self.number + 1:,}"


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over the journal: calls begun, US dollars, and the upper bound of what was paid more than once.

    A call without an answer was paid twice only if another call of the same request was paid as well, so the
    first one of a request that has no answer yet does not count. `at_risk_usd` is what the `under_way` calls, in flight
    or in a batch, can cost at most. `unpriced` calls were answered at a price that is not known; they are not part of
    `spent_usd`. `killed` requests were in flight when a run was killed, and nobody knows what came of them.
    """

    attempts: int = 0
    spent_usd: float = 0.0
    unanswered: int = 0
    unanswered_usd: float = 0.0
    maybe_paid_twice: int = 0
    maybe_paid_twice_usd: float = 0.0
    at_risk_usd: float = 0.0
    under_way: int = 0
    unpriced: int = 0
    killed: int = 0

    @property
    def committed_usd(self) -> float:
        """What a budget must count as spent: known costs, and the most that doubtful calls can have cost."""
        return self.spent_usd + self.unanswered_usd + self.at_risk_usd

    def to_dict(self) -> dict[str, object]:
        """The same as a JSON-able dict."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Run:
    """One run on the journal.

    `begun_at` and `ended_at` are Unix times; without an end it is under way, or was killed. `description` holds the
    endpoint, the options (no secret among them) and the number of items if that was known, `summary` what a
    BatchSummary says, and is None without an end.
    """

    id: bytes
    begun_at: float
    ended_at: float | None
    description: dict[str, Any]
    summary: dict[str, object] | None


def run_of(row: Cells) -> Run:
    """A row of `statements.RUNS` as a run; one that is not as it was written has no description and no summary."""
    run_id, begun_at, ended_at, description, summary, check = row
    with suppress(TypeError, ValueError):
        if is_row_intact((run_id, description, summary), check):
            return Run(run_id, begun_at, ended_at, json.loads(description), json.loads(summary) if summary else None)
    return Run(run_id, begun_at, ended_at, {}, None)


def input_row_of(row: Cells) -> InputRow:
    """A row of `statements.ROWS` as the outcome of a row of the input."""
    run_id, number, name, key, status, check = row
    if not is_row_intact((run_id, number, name, key, status), check):
        return InputRow(number, None, None, "damaged")
    return InputRow(number, as_text(name), key, status)


def answer_columns(key: bytes, answer: StoredAnswer) -> tuple[object, ...]:
    """An answer to a request as the values of `schema.ANSWER_COLUMNS`."""
    value = None if answer.value is None else _encode(answer.value)
    usage = answer.usage
    tokens = (None, None, None) if usage is None else (usage.input_tokens, usage.output_tokens, usage.cached_tokens)
    reasoning_tokens = None if usage is None else usage.reasoning_tokens
    cells = (
        answer.text,
        answer.finish_reason,
        answer.refusal,
        answer.model,
        answer.answered_by,
        value,
        *tokens,
        float(answer.latency_s),  # as SQLite gives it back
        answer.reasoning,
        reasoning_tokens,
        answer.max_tokens,
    )
    return (*cells, checksum(key, cells))


def error_column(error: ItemError) -> str:
    """An error as JSON text."""
    return _encode({"type": error.type, "message": error.message, "code": error.code, "retryable": error.retryable})


_DAMAGED = error_column(DAMAGED)


def entry_of(row: Sequence[Any], *, verified: bool = False) -> Entry:
    """A row of `schema.ENTRY_COLUMNS` as an entry; one that is not intact is `failed`.

    `verified` rows are those of a writer, which has compared all with their checksums when it opened the file.
    """
    cells = [row[0], *map(as_text, row[1:])] if bytes in map(type, row[1:]) else row
    key, state, item, request, attempts, begun_at, ended_at, error, spent, unpriced = cells[:10]
    unanswered, unanswered_usd, at_risk, via, batch = cells[10:15]
    answer = cells[15:]
    if not verified and not is_intact(key, answer):
        state, error, answer = "failed", _DAMAGED, NO_ANSWER
    return Entry(
        key,
        state,
        item,
        request,
        attempts,
        begun_at,
        ended_at,
        _answer_of(answer),
        _error_of(error),
        spent,
        unanswered,
        unanswered_usd,
        at_risk,
        unpriced,
        via,
        batch,
    )


def outline_of(row: Cells) -> Outline:
    """A row of `statements.OUTLINES` as an outline."""
    _, key, state, item, latency_s, error = row
    return Outline(key, state, item, latency_s, _error_of(as_text(error)))


def _error_of(text: str | None) -> ItemError | None:
    if not text:
        return None
    try:
        return ItemError(**json.loads(text))
    except (TypeError, ValueError):
        return ItemError(**json.loads(_DAMAGED))


def _answer_of(cells: Cells) -> StoredAnswer | None:
    text, finish_reason, refusal, model, answered_by, value = cells[:6]
    asked, answered, cached, latency_s, reasoning, reasoning_tokens, max_tokens = cells[6:13]
    if latency_s is None:
        return None
    usage = None if asked is None else Usage(asked, answered, cached, reasoning_tokens or 0)
    value = None if value is None else json.loads(value)
    return StoredAnswer(
        text, finish_reason, refusal, model, answered_by, value, usage, latency_s, reasoning, max_tokens
    )


def _object(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text
