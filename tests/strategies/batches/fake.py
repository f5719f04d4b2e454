"""A provider with batches on the loop's clock, its faults drawn from a seed, and its ledger."""

import asyncio
import json
import os
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from kaizen_batch import BatchConfig, Completion, Price, Provider, Request, Usage
from kaizen_batch.agents import create_agent
from kaizen_batch.agents.base import Agent
from kaizen_batch.config import BatchSettings
from kaizen_batch.errors import BadRequestError, NoAnswerError, ProviderError, ServerError, ThrottledError
from kaizen_batch.journal.worker import Owner, Worker, _Batch
from kaizen_batch.providers.batch import UNLISTED, BatchApi, HasBatches, RemoteBatch
from kaizen_batch.providers.http.base import Target
from kaizen_batch.providers.openai_batches import OpenAIBatches
from kaizen_batch.strategies.batches import clock

MEMORY = "/dev/shm"
EPOCH = 1_795_000_000.0
LIVE = Price(1.0, 2.0)
FLEX = Price(0.6, 1.2)
BATCH = Price(0.5, 1.0)
PRICES = {"live": LIVE, "flex": FLEX, "batch": BATCH}
USAGE = Usage(input_tokens=40, output_tokens=20)


@dataclass
class World:
    """What happens at the provider. Shares are from 0 to 1, times in seconds of the loop; without `flex_s` no flex."""

    seed: int = 0
    batch_s: float = 600.0
    cancel_s: float = 60.0
    latency_s: float = 1.0
    flex_s: float | None = None
    lost_create: float = 0.0
    lost_upload: float = 0.0
    throttled: float = 0.0
    outage: float = 0.0
    expired: float = 0.0
    failed: float = 0.0
    missing: float = 0.0
    unusable: float = 0.0
    null_output: float = 0.0
    queue_tokens: int | None = None
    lists: bool = True
    refuses: str = ""
    spoiled: int = 0
    bills: list[tuple[str, str]] = field(default_factory=list)
    files: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    batches: dict[str, "Remote"] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    downloads: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    def happens(self, share: float) -> bool:
        return self.random.random() < share

    def bill(self, prompt: str, mode: str) -> None:
        self.bills.append((prompt, mode))

    @property
    def usd(self) -> float:
        return sum(PRICES[mode].cost(USAGE) for _, mode in self.bills)

    def billed(self, mode: str | None = None) -> Counter[str]:
        return Counter(prompt for prompt, each in self.bills if mode in (None, each))


@dataclass
class Remote:
    id: str
    intent: str
    file: str
    created_at: float
    lines: list[dict[str, Any]]
    ends_at: float
    status: str = "in_progress"
    errors: tuple[tuple[str, str], ...] = ()
    output: str | None = None
    error: str | None = None


def right(prompt: str) -> str:
    return f"answer to {prompt}"


class FakeProvider(Provider, HasBatches):
    """Live calls of the world, and its batches."""

    def __init__(self, world: World) -> None:
        self.world = world

    @property
    def endpoint(self) -> str:
        return "http://fake/v1"

    def price(self, model: str) -> Price:
        return LIVE

    def price_in(self, model: str, mode: str) -> Price | None:
        return FLEX if mode == "flex" and self.world.flex_s is not None else None

    def body(self, request: Request) -> bytes:
        return json.dumps({"model": request.model, "messages": request.messages}).encode()

    async def complete(self, request: Request) -> Completion:
        world = self.world
        tier = request.parameters.values.get("service_tier") if request.parameters is not None else None
        flex_s = world.flex_s if tier == "flex" else None
        await asyncio.sleep(world.latency_s if flex_s is None else flex_s)
        if world.refuses == "live":
            raise BadRequestError("no such parameter")
        world.bill(request.prompt, "live" if flex_s is None else "flex")
        return Completion(text=right(request.prompt), usage=USAGE)

    def batches(self, settings: BatchSettings) -> BatchApi:
        return FakeBatches(self.world, settings)


class FakeBatches(OpenAIBatches):
    """The lines and results of OpenAI's batches, without a wire."""

    def __init__(self, world: World, settings: BatchSettings) -> None:
        super().__init__(Target("http://fake/v1", "key"), settings)
        self.world = world

    async def __aenter__(self) -> "FakeBatches":  # type: ignore[override]
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    def price(self, model: str, live: Price | None) -> Price | None:
        return BATCH

    async def _call(self, name: str) -> None:
        await asyncio.sleep(0.1)
        self.world.calls[name] += 1
        if name != "create" and self.world.happens(self.world.outage):
            raise ServerError("the server stumbles", status=500)

    async def upload(self, path: Path, name: str) -> str:
        await self._call("upload")
        world = self.world
        id = f"file-{len(world.files)}"
        world.files[id] = (name, path.read_bytes())  # noqa: ASYNC240
        if world.happens(world.lost_upload):
            raise NoAnswerError("lost")
        return id

    async def find_upload(self, name: str) -> str | None:
        await self._call("find_upload")
        return next((id for id, (other, _) in self.world.files.items() if other == name), None)

    async def create(self, file: str, intent: str) -> RemoteBatch:
        await self._call("create")
        world, now = self.world, asyncio.get_running_loop().time()
        if world.refuses == "create":
            raise BadRequestError("this model takes no batches", status=400)
        if world.happens(world.throttled):
            raise ThrottledError("too many batches", status=429, retry_after_s=5.0)
        lines = [json.loads(line) for line in world.files[file][1].splitlines()]
        made = Remote(f"batch-{len(world.batches)}", intent, file, now, lines, now + world.batch_s)
        self._check_queue(made)
        world.batches[made.id] = made
        if world.happens(world.lost_create):
            raise NoAnswerError("lost")
        return self._remote(made)

    def _check_queue(self, made: Remote) -> None:
        limit = self.world.queue_tokens
        for each in self.world.batches.values():
            self._advance(each)
        sizes = [_tokens(each) for each in (*self.world.batches.values(), made) if each.status == "in_progress"]
        if limit is not None and sum(sizes) > limit:
            made.status, made.errors = "failed", (("token_limit_exceeded", "the queue is full"),)
        elif self.world.refuses == "validation":
            made.status, made.errors = "failed", (("model_mismatch", "one model a file"),)

    async def find(self, intent: str, since: float) -> RemoteBatch | None:
        await self._call("find")
        if not self.world.lists:
            raise ProviderError("no list", code=UNLISTED)
        found = next((each for each in self.world.batches.values() if each.intent == intent), None)
        return None if found is None else self._remote(found)

    async def status(self, batch: str) -> RemoteBatch:
        await self._call("status")
        remote = self.world.batches[batch]
        self._advance(remote)
        return self._remote(remote)

    async def download(self, file: str, path: Path) -> None:
        await self._call("download")
        self.world.downloads[file] += 1
        path.write_bytes(self.world.files[file][1])  # noqa: ASYNC240

    async def cancel(self, batch: str) -> None:
        await self._call("cancel")
        remote, now = self.world.batches[batch], asyncio.get_running_loop().time()
        self._advance(remote)
        if remote.status == "in_progress":
            done = (now - remote.created_at) / self.world.batch_s
            remote.lines = remote.lines[: int(done * len(remote.lines))] + [
                {**line, "late": True} for line in remote.lines[int(done * len(remote.lines)) :]
            ]
            remote.status, remote.ends_at = "cancelling", now + self.world.cancel_s

    async def delete(self, file: str) -> None:
        await self._call("delete")
        self.world.files.pop(file, None)

    def _advance(self, remote: Remote) -> None:
        if remote.status not in ("in_progress", "cancelling") or asyncio.get_running_loop().time() < remote.ends_at:
            return
        expired = self._finish(remote)
        remote.status = "cancelled" if remote.status == "cancelling" else "expired" if expired else "completed"

    def _finish(self, remote: Remote) -> bool:
        world, output, error, expired = self.world, list[bytes](), list[bytes](), False
        for line in remote.lines:
            name = {"custom_id": line["custom_id"]}
            if line.get("late") or world.happens(world.expired):
                expired = True
                error.append(_json({**name, "response": None, "error": {"code": "batch_expired", "message": "late"}}))
            elif world.happens(world.failed):
                body = {"error": {"message": "it stumbles", "code": "server_error"}}
                error.append(_json({**name, "response": {"status_code": 500, "body": body}}))
            else:
                prompt = line["body"]["messages"][-1]["content"]
                world.bill(prompt, "batch")
                if not world.happens(world.missing):
                    text = "" if world.happens(world.unusable) else right(prompt)
                    world.spoiled += not text
                    output.append(_json({**name, "response": {"status_code": 200, "body": _chat(text)}}))
        world.random.shuffle(output)
        if output and not world.happens(world.null_output):
            remote.output = f"out-{remote.id}"
            world.files[remote.output] = ("output", b"\n".join(output))
        if error:
            remote.error = f"err-{remote.id}"
            world.files[remote.error] = ("error", b"\n".join(error))
        return expired

    def _remote(self, remote: Remote) -> RemoteBatch:
        return RemoteBatch(remote.id, remote.status, {}, remote.output, remote.error, None, remote.errors)


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def _chat(text: str) -> dict[str, Any]:
    usage = {"prompt_tokens": USAGE.input_tokens, "completion_tokens": USAGE.output_tokens, "total_tokens": 60}
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
    return {"choices": [choice], "usage": usage, "model": "m"}


def _tokens(remote: Remote) -> int:
    return sum(len(line["body"]["messages"][-1]["content"]) // 4 + 1 for line in remote.lines)


def agent_of(world: World, journal: Path, **options: Any) -> Agent:
    """An agent in batch mode; polls each 30 s of the loop."""
    given = {"mode": "batch", "model": "m", "max_tokens": 20, "max_concurrent": 10, "timeout_s": None, **options}
    return create_agent(BatchConfig(journal=journal, **given), None, FakeProvider(world))


def quick_folder() -> "TemporaryDirectory[str]":
    """A folder in memory where there is one: many examples, each with a journal, wait for a disk most of their time."""
    return TemporaryDirectory(dir=MEMORY if os.access(MEMORY, os.W_OK) else None)


@contextmanager
def exact_time() -> Iterator[None]:
    """A virtual loop does not move its time while it waits for a thread."""
    begin, hand_over, close = Worker.__init__, Worker.hand_over, Worker.close

    def opened(worker: Worker, *values: Any) -> None:
        begin(worker, *values)
        worker.opened.result(30)

    def closed(worker: Worker) -> None:
        close(worker)
        worker.closed.result(30)

    def at_once(worker: Worker, owner: Owner, operations: Any) -> None:
        done = threading.Event()

        class Waiting:
            def written(self, *values: Any) -> None:
                owner.written(*values)
                done.set()

        worker._inbox.put(_Batch(Waiting(), operations))
        assert done.wait(30)

    async def in_no_time(function: Callable[..., Any], *values: Any) -> Any:
        return function(*values)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Worker, "__init__", opened)
        patch.setattr(Worker, "hand_over", at_once)
        patch.setattr(Worker, "close", closed)
        patch.setattr(asyncio, "to_thread", in_no_time)
        patch.setattr(clock, "wall_s", lambda: EPOCH + asyncio.get_running_loop().time())
        yield
    assert Worker.hand_over is hand_over
