"""Batches of the simulator, as `/v1/batches` runs them, on an accelerated clock.

    validating ──> in_progress ──> finalizing ──> completed
        │              │  └────────────────────> expired     the window is over: what is finished is billed and kept
        └──> failed    └──> cancelling ────────> cancelled   the same

A batch of n requests works on them at an even pace over `batch_s` seconds, so a cancelled or expired one has finished a
share of them. What was finished is billed, in whichever file it ends, or in neither.
"""

import asyncio
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from kaizen_batch.simulator.answers import Call, completion_bytes, read_call
from kaizen_batch.simulator.settings import Settings
from kaizen_batch.simulator.uploads import FileStore, page_of, unix_time

_MOST_REQUESTS = 50_000
_MOST_BYTES = 200 * 1024 * 1024
_VALIDATING, _WORKING = 0.1, 0.9  # shares of `batch_s`
_ENDED = ("failed", "completed", "expired", "cancelled")

Bill = Callable[[Call], None]
_Object = dict[str, Any]

Refuses = Callable[[dict[str, object]], Any]


class RefusedBatch(Exception):
    """Why a batch cannot be made or does not pass validation: the code of the API, and the line of the file."""

    def __init__(self, code: str, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.code: str = code
        self.line = line

    def to_dict(self) -> dict[str, object]:
        """One of `errors.data`."""
        return {"code": self.code, "line": self.line, "message": str(self), "param": None}


@dataclass(eq=False, slots=True)
class Batch:
    """One batch: what was asked, how far it is, and the files of its results."""

    id: str
    request: _Object
    created_at: int
    started: float
    lines: list[_Object] = field(default_factory=list)
    tokens: int = 0
    status: str = "validating"
    finished: int = 0
    errors: list[dict[str, object]] = field(default_factory=list)
    files: dict[str, str | None] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=lambda: {"total": 0, "completed": 0, "failed": 0})
    timers: list[asyncio.TimerHandle] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        """Whether it has not ended."""
        return self.status not in _ENDED


class Batches:
    """All batches of a server. `bill` records a finished request, `refuses` says how a request is refused, if it is."""

    def __init__(self, settings: Settings, files: FileStore, bill: Bill, refuses: Refuses) -> None:
        self._settings = settings
        self._files = files
        self._bill = bill
        self._refuses = refuses
        self._batches: dict[str, Batch] = {}
        self._numbers = count(1)
        self._random = random.Random(settings.seed)

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """The server is running on this loop."""
        self._loop = loop

    def stop(self) -> None:
        """The server ends: batches stay as they are, and what they have not finished is not billed."""
        for batch in self._batches.values():
            for timer in batch.timers:
                timer.cancel()
            batch.timers.clear()

    def create(self, request: _Object) -> Batch:
        """Make a batch. Raises: RefusedBatch for one that is refused at once."""
        if self._files.get(request.get("input_file_id")) is None:
            raise RefusedBatch("invalid_value", f"there is no file {request.get('input_file_id')!r}")
        if request.get("completion_window") != "24h":
            raise RefusedBatch("invalid_value", "completion_window must be '24h'")
        number = next(self._numbers)
        batch = Batch(f"batch_{number:06d}", request, unix_time(), self._loop.time())
        self._batches[batch.id] = batch
        self._at(batch, _VALIDATING * self._settings.batch_s, self._validate)
        return batch

    def get(self, name: str) -> Batch | None:
        """The batch with this id."""
        return self._batches.get(name)

    def page(self, query: bytes) -> dict[str, object]:
        """A page of batches, newest first."""
        return page_of([self.to_dict(batch) for batch in self._batches.values()], query)

    def cancel(self, batch: Batch) -> None:
        """Ask for the end of a batch, which comes after `batch_cancel_s`."""
        if batch.status not in ("validating", "in_progress"):
            return
        self._stop_timers(batch)
        batch.finished = self._done_by_now(batch)
        batch.status = "cancelling"
        self._at(batch, self._settings.batch_cancel_s, lambda each: self._end(each, "cancelled"))

    def to_dict(self, batch: Batch) -> dict[str, object]:
        """The batch object of the API."""
        settings, status = self._settings, batch.status
        counts = batch.counts if not batch.is_open else {**batch.counts, "completed": self._done_by_now(batch)}
        return {
            "id": batch.id,
            "object": "batch",
            "endpoint": batch.request.get("endpoint"),
            "errors": {"object": "list", "data": batch.errors} if batch.errors else None,
            "input_file_id": batch.request["input_file_id"],
            "completion_window": "24h",
            "status": status.upper() if settings.batch_mixed_case and batch.finished % 2 == 0 else status,
            "output_file_id": batch.files.get("output"),
            "error_file_id": batch.files.get("error"),
            "created_at": batch.created_at,
            "expires_at": batch.created_at + max(1, round(settings.batch_window_s)),
            "request_counts": dict.fromkeys(counts, 0) if settings.batch_zero_counts else counts,
            "metadata": batch.request.get("metadata"),
        }

    def _at(self, batch: Batch, seconds: float, step: Callable[[Batch], None]) -> None:
        if seconds > 0:
            batch.timers.append(self._loop.call_later(seconds, step, batch))
        else:
            step(batch)

    def _stop_timers(self, batch: Batch) -> None:
        for timer in batch.timers:
            timer.cancel()
        batch.timers.clear()

    def _done_by_now(self, batch: Batch) -> int:
        if batch.status != "in_progress":
            return batch.finished
        share = (self._loop.time() - batch.started) / self._settings.batch_s - _VALIDATING
        return int(len(batch.lines) * min(1.0, max(0.0, share / (_WORKING - _VALIDATING))))

    def _validate(self, batch: Batch) -> None:
        stored = self._files.get(batch.request["input_file_id"])
        try:
            batch.lines, batch.tokens = read_lines(stored.content if stored else b"", str(batch.request["endpoint"]))
            self._check_queue(batch)
        except RefusedBatch as error:
            batch.errors.append(error.to_dict())
            batch.status = "failed"
            return
        batch.counts["total"] = len(batch.lines)
        batch.status = "in_progress"
        settings = self._settings
        work_s = (_WORKING - _VALIDATING) * settings.batch_s
        if settings.batch_window_s < settings.batch_s:
            left_s = max(0.0, settings.batch_window_s - _VALIDATING * settings.batch_s)
            self._at(batch, left_s, self._expire)
        else:
            self._at(batch, work_s, self._finalize)

    def _check_queue(self, batch: Batch) -> None:
        limit = self._settings.batch_queue_tokens
        waiting = sum(other.tokens for other in self._batches.values() if other is not batch and other.is_open)
        if limit is not None and waiting + batch.tokens > limit:
            raise RefusedBatch("token_limit_exceeded", f"Enqueued token limit reached: {limit} tokens")

    def _expire(self, batch: Batch) -> None:
        batch.finished = self._done_by_now(batch)
        self._end(batch, "expired")

    def _finalize(self, batch: Batch) -> None:
        batch.finished = len(batch.lines)
        batch.status = "finalizing"
        self._at(batch, (1 - _WORKING) * self._settings.batch_s, lambda each: self._end(each, "completed"))

    def _end(self, batch: Batch, status: str) -> None:
        output, error, expired = self._results(batch)
        self._random.shuffle(output)
        batch.counts.update(completed=len(output), failed=len(error))
        for name, lines in (("output", output), ("error", error)):
            hidden = name == "output" and self._random.random() < self._settings.batch_rate_null_output
            if lines and not hidden:
                content = b"".join(line + b"\n" for line in lines)
                batch.files[name] = self._files.add(content, f"{batch.id}_{name}.jsonl", "batch_output").id
        batch.status = "expired" if expired and status == "completed" else status
        batch.lines = []

    def _results(self, batch: Batch) -> tuple[list[bytes], list[bytes], bool]:
        """The lines of the two files, and whether a request has expired; every finished request is billed."""
        output: list[bytes] = []
        error: list[bytes] = []
        expired = False
        for place, line in enumerate(batch.lines):
            fault = "expired" if place >= batch.finished else self._fault()
            if fault == "expired":
                expired = True
                error.append(
                    _line(line, None, {"code": "batch_expired", "message": "it could not be executed in time"})
                )
            else:
                self._answer(line, fault, output, error)
        return output, error, expired

    def _answer(self, line: _Object, fault: str, output: list[bytes], error: list[bytes]) -> None:
        body = line["body"]
        call = read_call(json.dumps(body).encode(), self._loop.time())
        refusal = self._refuses(body)
        if refusal is not None or fault == "error":
            status = refusal.status if refusal is not None else 500
            said = (
                refusal.body if refusal is not None else {"error": {"message": "server error", "code": "server_error"}}
            )
            error.append(_line(line, _response(status, json.dumps(said).encode()), None))
            return
        self._bill(call)
        if fault != "missing":
            output.append(_line(line, _response(200, completion_bytes(call)), None))

    def _fault(self) -> str:
        drawn, settings = self._random.random(), self._settings
        for name in ("expired", "error", "missing"):
            drawn -= getattr(settings, f"batch_rate_{name}")
            if drawn < 0:
                return name
        return ""


def read_lines(content: bytes, endpoint: str) -> tuple[list[_Object], int]:
    """The requests of an input file and their tokens. Raises: RefusedBatch, as validation reports it."""
    if len(content) > _MOST_BYTES:
        raise RefusedBatch("file_too_large", f"the file has more than {_MOST_BYTES} bytes")
    lines, seen, models, tokens = list[_Object](), set[str](), set[str](), 0
    for number, text in enumerate(content.splitlines(), start=1):
        line = _request(text, number, endpoint)
        if line["custom_id"] in seen:
            raise RefusedBatch("duplicate_custom_id", f"custom_id {line['custom_id']!r} is used twice", number)
        seen.add(line["custom_id"])
        models.add(str(line["body"].get("model")))
        tokens += read_call(json.dumps(line["body"]).encode(), 0.0).prompt_tokens
        lines.append(line)
    if len(models) > 1:
        raise RefusedBatch("model_mismatch", "all requests of a batch must have one model")
    if not lines or len(lines) > _MOST_REQUESTS:
        raise RefusedBatch("invalid_request_count", f"a file has 1 to {_MOST_REQUESTS} requests, not {len(lines)}")
    return lines, tokens


def _request(text: bytes, number: int, endpoint: str) -> _Object:
    try:
        line: _Object = json.loads(text)
        read_call(json.dumps(line["body"]).encode(), 0.0)
        ok = isinstance(line["custom_id"], str) and line["method"] == "POST" and line["url"] == endpoint
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise RefusedBatch("invalid_json_line", f"line {number} is not a request: {error!r}", number) from None
    if not ok:
        raise RefusedBatch("invalid_json_line", f"line {number} has a wrong custom_id, method or url", number)
    return line


def _response(status: int, body: bytes) -> dict[str, object]:
    return {"status_code": status, "request_id": "req_1", "body": json.loads(body)}


def _line(line: _Object, response: dict[str, object] | None, error: dict[str, str] | None) -> bytes:
    name = line["custom_id"]
    return json.dumps(
        {"id": f"batch_req_{name[:16]}", "custom_id": name, "response": response, "error": error}
    ).encode()
