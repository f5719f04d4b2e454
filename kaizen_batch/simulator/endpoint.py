"""The endpoint without its sockets: decides the response to each request, and when it is sent."""

import asyncio
import json
import re
from collections import deque
from collections.abc import Callable
from hashlib import sha256
from typing import NamedTuple

from kaizen_batch.simulator.answers import (
    GATEWAY_PAGE,
    Call,
    RawResponse,
    answer,
    header_lines,
    read_call,
    reply_bytes,
    to_bytes,
)
from kaizen_batch.simulator.batch_endpoint import BatchEndpoint, as_response
from kaizen_batch.simulator.faults import FaultInjector, slowdown
from kaizen_batch.simulator.ledger import Entry, Ledger
from kaizen_batch.simulator.settings import TORN, Reply, Settings, error_reply
from kaizen_batch.simulator.structured import format_refusal
from kaizen_batch.simulator.windows import RateLimits, milliseconds

_REFUSING = re.compile(r"(?:.*/)?(?:ft:)?(o1|o3|o4|gpt-5|strict-)")
_TIERS = {"priority": 2.0}  # the price, as a multiple of the standard tier's
_MODELS = [{"id": name, "object": "model"} for name in ("gpt-3.5-turbo", "gpt-4o-mini")]
_UNREAD_SHA256 = sha256(b"").hexdigest()

Deliver = Callable[[RawResponse], None]


class Request(NamedTuple):
    """The parts of an HTTP request that the endpoint reads."""

    method: bytes
    target: bytes
    authorization: bytes
    body: bytes
    headers: dict[bytes, bytes] = {}  # noqa: RUF012 - never changed


class Endpoint:
    """Decides the response to a request, records it in the ledger, and passes it to `deliver` when it is due."""

    def __init__(self, settings: Settings, ledger: Ledger) -> None:
        self.bodies: deque[object] = deque(maxlen=1000)
        self.headers: deque[dict[bytes, bytes]] = deque(maxlen=1000)
        self.scripted: deque[Reply] = deque()
        self.scripted_batches: deque[Reply] = deque()
        self.down = False
        self.down_mode = "500"
        self.hang_s: float = settings.hang_s
        self.wants_key: bool = settings.api_key is not None
        self.ledger = ledger
        self._settings = settings
        self._faults = FaultInjector(settings)
        self._limits = RateLimits(settings)
        self._admitted = 0
        self._working: dict[Call, asyncio.TimerHandle] = {}
        self._last_id = "chatcmpl-0000000000000000"
        self._batches = BatchEndpoint(settings, self._bill_in_batch, _unsupported)
        self._routes = {
            (b"GET", b"/v1/models"): self._models,
            (b"GET", b"/ledger"): self._show,
            (b"POST", b"/ledger/reset"): self._reset,
        }

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """The server is running on this loop."""
        self._loop = loop
        self._started_at = loop.time()
        self._batches.batches.start(loop)

    def stop(self) -> None:
        """Drop the calls in progress: they are not billed."""
        for timer in self._working.values():
            timer.cancel()
            self.ledger.leave()
        self._working.clear()
        self._batches.batches.stop()

    def handle(self, request: Request, deliver: Deliver) -> None:
        """Handle a request; `deliver` is called once, now or later."""
        path = request.target.partition(b"?")[0]
        if path == b"/v1/chat/completions" and request.method == b"POST":
            self._chat(request, deliver)
        elif path.startswith((b"/v1/files", b"/v1/batches")):
            self._batch_call(request, deliver)
        elif route := self._routes.get((request.method, path)):
            deliver(RawResponse(to_bytes(200, json.dumps(route(request)).encode())))
        else:
            deliver(
                RawResponse(
                    reply_bytes(
                        error_reply(404, "not_found", f"there is no {path.decode('latin-1')!r} for this method")
                    )
                )
            )

    def _batch_call(self, request: Request, deliver: Deliver) -> None:
        refusal = TORN if self.down else self.scripted_batches.popleft() if self.scripted_batches else None
        refusal = refusal or self._wrong_key(request)
        answered = as_response(refusal) if refusal else None
        deliver(answered or self._batches.handle(request.method, request.target, request.body))

    def _models(self, request: Request) -> dict[str, object]:
        return {"object": "list", "data": _MODELS}

    def _show(self, request: Request) -> dict[str, object]:
        return self.ledger.to_dict(entries=b"entries=0" not in request.target)

    def _reset(self, request: Request) -> dict[str, object]:
        self.ledger.reset()
        return self.ledger.to_dict()

    def _chat(self, request: Request, deliver: Deliver) -> None:
        self.ledger.enter()
        at = self._loop.time()
        try:
            call = read_call(request.body, at, self._settings)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            call = Call({}, at, _UNREAD_SHA256, "", "", 0, 0)
            reply: Reply | None = error_reply(400, "invalid_request", f"not a chat request: {error!r}")
        else:
            self.bodies.append(call.body)
            self.headers.append(request.headers)
            reply = self._refusal(call, request)
        if reply is None:
            self._work(call, deliver)
        else:
            self._refuse(call, reply, deliver)

    def _refusal(self, call: Call, request: Request) -> Reply | None:
        if self.scripted:
            return self.scripted.popleft()
        if self.down:
            return TORN if self.down_mode == "torn" else error_reply(500, "server_error", "The server is down")
        return (
            self._wrong_key(request)
            or self._not_taken(call)
            or self._exhausted()
            or self._overloaded()
            or self._fault(call)
            or self._throttled(call)
        )

    def _not_taken(self, call: Call) -> Reply | None:
        """The refusal of a field of the request."""
        return _unsupported(call.body) or format_refusal(call.body, self._settings.structured) or self._no_flex(call)

    def _wrong_key(self, request: Request) -> Reply | None:
        wanted = self._settings.api_key
        if wanted is None or request.authorization == f"Bearer {wanted}".encode():
            return None
        return error_reply(401, "invalid_api_key", "Incorrect API key provided")

    def _no_flex(self, call: Call) -> Reply | None:
        if self._settings.flex or call.body.get("service_tier") != "flex":
            return None
        return error_reply(400, "invalid_service_tier", "service_tier flex is not available", param="service_tier")

    def _exhausted(self) -> Reply | None:
        # Admitted calls will be billed: counting these instead of the bills makes the quota exact.
        if self._settings.quota_after is None or self._admitted < self._settings.quota_after:
            return None
        return error_reply(429, "insufficient_quota", "You exceeded your current quota")

    def _overloaded(self) -> Reply | None:
        if self._settings.shed_at is None or len(self._working) < self._settings.shed_at:
            return None
        return error_reply(503, "server_is_overloaded", "The server is overloaded")

    def _fault(self, call: Call) -> Reply | None:
        call.fault = fault = self._faults.fault()
        if not fault:
            return None
        if fault == "torn" and self._settings.torn_before_billing:
            return TORN
        if fault in ("429", "slow_down"):
            code = "rate_limit_exceeded" if fault == "429" else fault
            return _wait(code, "Rate limit reached", self._settings.retry_after_s)
        if fault != "500":
            return None
        status = self._faults.server_error()
        return GATEWAY_PAGE if status == 502 else error_reply(status, "server_error", "The server had an error")

    def _throttled(self, call: Call) -> Reply | None:
        call.charged = charged = call.tokens
        if not self._limits.given:
            return None
        if self._settings.charge_max_tokens:
            most = call.body.get("max_completion_tokens") or call.body.get("max_tokens")
            charged = call.prompt_tokens + most if isinstance(most, int) else charged
        wait_s, name = self._limits.admit(charged, call.at)
        if wait_s == 0:
            call.charged = charged
            return None
        if wait_s == float("inf"):
            text = f"Request too large: {charged} tokens never fit into the window"
            return _wait("rate_limit_exceeded", text, self._settings.window_s, {"x-should-retry": "false"})
        return _wait("rate_limit_exceeded", f"Rate limit reached for {name}", wait_s)

    def _work(self, call: Call, deliver: Deliver) -> None:
        self._admitted += 1
        seconds = self._faults.latency_s() + self._settings.per_token_s * call.output_tokens
        if seconds > 0:
            seconds *= slowdown(self._settings, len(self._working) + 1, call.at - self._started_at)
            # The client may disconnect meanwhile: the model finishes the work, and bills it.
            self._working[call] = self._loop.call_later(seconds, self._finish, call, deliver)
        else:
            self._finish(call, deliver)

    def _finish(self, call: Call, deliver: Deliver) -> None:
        self._working.pop(call, None)
        response = answer(call, self._last_id, self._limit_lines())
        self._last_id = call.id
        # Recorded before a byte is written: a client killed meanwhile was billed, and a client that has an answer finds
        # it in the ledger.
        self.ledger.record(self._bill(call, 200 if response.data else 0))
        if response.then != "hang":
            self.ledger.leave()
        deliver(response)

    def _limit_lines(self) -> bytes:
        return header_lines(self._limits.headers(self._loop.time())) if self._limits.given else b""

    def _bill(self, call: Call, status: int, mode: str = "live") -> Entry:
        settings = self._settings
        usd = (call.prompt_tokens * settings.price_input + call.output_tokens * settings.price_output) / 1e6
        tier = str(call.body.get("service_tier"))
        if tier == "flex":
            mode = "flex"
        usd *= _TIERS.get(tier, 1.0) if mode == "live" else settings.batch_discount
        return Entry(
            status,
            billed=True,
            prompt_sha256=call.prompt_sha256,
            tokens=call.tokens,
            at=call.at,
            model=call.model,
            usd=usd,
            charged=call.charged,
            fault=call.fault,
            mode=mode,
            parameters=call.parameters,
            images=call.images,
            files=call.files,
        )

    def _bill_in_batch(self, call: Call) -> None:
        self.ledger.record(self._bill(call, 200, "batch"))

    def _refuse(self, call: Call, reply: Reply, deliver: Deliver) -> None:
        billed = reply.status == 200
        self.ledger.record(
            Entry(
                reply.status,
                billed,
                call.prompt_sha256,
                at=call.at,
                model=call.model,
                fault=call.fault,
                parameters=call.parameters,
            )
        )
        self.ledger.leave()
        limits = self._limits.headers(self._loop.time())
        deliver(RawResponse(reply_bytes(reply, limits)) if reply.status else RawResponse(then="abort"))


def _unsupported(body: dict[str, object]) -> Reply | None:
    if not _REFUSING.match(str(body.get("model"))):
        return None
    for parameter in ("max_tokens", "temperature"):
        if body.get(parameter) not in (None, 1):
            text = f"Unsupported parameter: {parameter!r} is not supported with this model."
            return error_reply(400, "unsupported_parameter", text, param=parameter)
    return None


def _wait(code: str, message: str, seconds: float, headers: dict[str, str] | None = None) -> Reply:
    after = {"retry-after-ms": str(milliseconds(seconds))}
    return error_reply(429, code, message).with_headers(after | (headers or {}))
