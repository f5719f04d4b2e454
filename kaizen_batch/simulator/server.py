"""The simulator's HTTP server, on aiohttp, in a thread of its own or in the foreground."""

import asyncio
import json
import math
import random
import threading
from collections import deque
from collections.abc import Callable
from hashlib import sha256
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from kaizen_batch.providers.canned import canned_answer, count_tokens
from kaizen_batch.simulator.ledger import Entry, Ledger
from kaizen_batch.simulator.settings import Reply, Settings

_STARTUP_S = 30.0
_REFUSING = ("o1", "o3", "o4", "gpt-5", "strict-")
_FAULTS = ("429", "500", "torn", "bad_json")


class Simulator:
    """The endpoint as a context manager: `base_url` and `ledger` are there inside the `with` block.

    Options are those of Settings. `reply_with` scripts the next answers; `bodies` holds the JSON of the last
    1,000 requests. Raises: OSError when the port is taken.
    """

    def __init__(self, *, host: str = "127.0.0.1", port: int = 0, **options: Any) -> None:
        self.settings = Settings(**options)
        self.ledger = Ledger()
        self.bodies: deque[Any] = deque(maxlen=1000)
        self._host = host
        self._port = port
        self._scripted: deque[Reply] = deque()
        self._random = random.Random(self.settings.seed)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread: threading.Thread | None = None
        self._started = threading.Event()
        self._error: BaseException | None = None

    @property
    def base_url(self) -> str:
        """The endpoint's URL, up to and with `/v1`."""
        return f"http://{self._host}:{self._port}/v1"

    def reply_with(self, *replies: Reply) -> None:
        """Answer the next calls with these."""
        self._scripted.extend(replies)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run, name="simulator", daemon=True)
        self._thread.start()
        self._started.wait(_STARTUP_S)
        if self._error is not None:
            raise self._error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        if self._thread is not None:
            self._thread.join(_STARTUP_S)

    def _run(self) -> None:
        try:
            asyncio.run(self.serve())
        except BaseException as error:
            self._error = error
            self._started.set()

    async def serve(self, on_started: Callable[[], None] = lambda: None) -> None:
        """Serve until the task is cancelled or the `with` block ends; `on_started` is called once it listens."""
        app = web.Application(client_max_size=64 * 2**20)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/ledger", self._ledger)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            site = web.TCPSite(runner, self._host, self._port, backlog=4096)
            await site.start()
            self._port = runner.addresses[0][1]
            self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
            self._started.set()
            on_started()
            await self._stop.wait()
        finally:
            await runner.cleanup()

    async def _models(self, request: web.Request) -> web.Response:
        models = [{"id": name, "object": "model"} for name in ("gpt-3.5-turbo", "gpt-4o-mini")]
        return web.json_response({"object": "list", "data": models})

    async def _ledger(self, request: web.Request) -> web.Response:
        return web.json_response(self.ledger.to_dict())

    async def _chat(self, request: web.Request) -> web.Response:
        self.ledger.enter()
        try:
            return await self._answer(request, await request.json())
        finally:
            self.ledger.leave()

    async def _answer(self, request: web.Request, body: dict[str, Any]) -> web.Response:
        self.bodies.append(body)
        prompt = body["messages"][-1]["content"]
        digest = sha256(prompt.encode("utf-8", "surrogatepass")).hexdigest()
        reply = self._scripted.popleft() if self._scripted else self._refusal(request, body)
        fault = self._fault() if reply is None else None
        if fault == "torn" and self.settings.torn_before_billing:
            return self._tear(request, Entry(0, False, digest))
        if reply is None and fault in ("429", "500"):
            reply = self._failure(fault)
        if reply is not None:
            self.ledger.record(Entry(reply.status, reply.status == 200, digest))
            return _response(reply)
        await asyncio.sleep(self._latency_s())
        answer = _completion(body, prompt)
        tokens = answer["usage"]["total_tokens"]
        if fault == "torn":
            return self._tear(request, Entry(0, True, digest, tokens))
        self.ledger.record(Entry(200, True, digest, tokens))
        text = json.dumps(answer)
        return web.Response(text=text[: len(text) // 2] if fault else text, content_type="application/json")

    def _tear(self, request: web.Request, entry: Entry) -> web.Response:
        self.ledger.record(entry)
        if request.transport is not None:
            request.transport.abort()
        return web.Response()

    def _latency_s(self) -> float:
        settings = self.settings
        return settings.latency_s * math.exp(self._random.gauss(0.0, settings.latency_sigma))

    def _fault(self) -> str | None:
        dice = self._random.random()
        for fault in _FAULTS:
            dice -= getattr(self.settings, f"rate_{fault}")
            if dice < 0:
                return fault
        return None

    def _failure(self, fault: str) -> Reply:
        if fault == "429":
            after = str(int(self.settings.retry_after_s * 1000))
            return error_reply(429, "rate_limit_exceeded", "Rate limit reached", headers={"retry-after-ms": after})
        return error_reply(500, "server_error", "The server had an error")

    def _refusal(self, request: web.Request, body: dict[str, Any]) -> Reply | None:
        wanted = self.settings.api_key
        if wanted is not None and request.headers.get("Authorization") != f"Bearer {wanted}":
            return error_reply(401, "invalid_api_key", "Incorrect API key provided")
        if str(body.get("model")).startswith(_REFUSING):
            for parameter in ("max_tokens", "temperature"):
                if body.get(parameter) not in (None, 1):
                    text = f"Unsupported parameter: {parameter!r} is not supported with this model."
                    return error_reply(400, "unsupported_parameter", text, param=parameter)
        return None


def error_reply(
    status: int,
    code: str | None,
    message: str = "",
    *,
    param: str | None = None,
    headers: dict[str, str] | None = None,
) -> Reply:
    """A Reply in the shape of OpenAI's errors."""
    error = {"message": message or f"status {status}", "type": "error", "param": param, "code": code}
    return Reply(status, {"error": error}, headers or {})


def _response(reply: Reply) -> web.Response:
    if isinstance(reply.body, str):
        return web.Response(status=reply.status, text=reply.body, headers=reply.headers)
    return web.json_response(reply.body, status=reply.status, headers=reply.headers)


def _completion(body: dict[str, Any], prompt: str) -> dict[str, Any]:
    wanted = body.get("response_format") or {}
    schema = wanted.get("json_schema", {}).get("schema")
    text = canned_answer(body["messages"], schema)
    asked = sum(count_tokens(message["content"]) for message in body["messages"])
    answered = count_tokens(text)
    return {
        "id": f"chatcmpl-{sha256(prompt.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}",
        "object": "chat.completion",
        "created": 0,
        "model": body.get("model"),
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}],
        "usage": {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered},
    }
