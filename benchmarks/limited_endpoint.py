"""An endpoint that enforces the windows of `limit_cases` and keeps a ledger of every call.

Each case has its own base URL, `/<arm>/<number of the case>/v1`, and its own windows; `GET /<arm>/<number>/ledger`
shows what happened there. The server's limits are `rate_windows`, and its headers are written here, so that nothing of
the client's code checks itself. With `--scale 20` every minute takes three seconds.
"""

import asyncio
import json
import math
import random
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import click
from aiohttp import web

from benchmarks.limit_cases import CASES, Case
from benchmarks.rate_windows import ServerWindow

_BYTES_PER_TOKEN = 4
_UNITS = ((3600, "h"), (60, "m"), (1, "s"))
_PERIODS = {1.0: "second", 60.0: "minute", 86_400.0: "day"}

Left = tuple[str, float, int, int, float]  # quantity, period, limit, rest, seconds until it is full


class Cell:
    """One case for one contestant: its windows, and when calls were admitted, with their tokens, or refused."""

    def __init__(self, case: Case, scale: float) -> None:
        self.case = case
        self.windows: list[tuple[str, float, ServerWindow]] = [
            (each.quantity, each.period_s, each.kind(each.limit, each.period_s / scale)) for each in case.enforced
        ]
        self.admitted: list[tuple[float, int]] = []
        self.refused: list[float] = []
        self._dice = random.Random(0)

    @property
    def began_at(self) -> float | None:
        """When the first call came; None if none has."""
        return min((at for at in (*self.refused[:1], *(at for at, _ in self.admitted[:1]))), default=None)

    def ask(self, body: bytes, now: float) -> tuple[float, tuple[int, int]]:
        """Seconds to wait, 0.0 if the call is admitted; the tokens of its input and of its answer."""
        median, sigma = self.case.answers
        tokens = len(body) // _BYTES_PER_TOKEN, max(1, int(median * self._dice.lognormvariate(0.0, sigma)))
        costs = {"requests": 1, "tokens": sum(tokens)}
        wait_s = max(window.wait_s(costs[quantity], now) for quantity, _, window in self.windows)
        if wait_s > 0:
            self.refused.append(now)
            return wait_s, tokens
        for quantity, _, window in self.windows:
            window.take(costs[quantity], now)
        self.admitted.append((now, sum(tokens)))
        return 0.0, tokens

    def latency_s(self) -> float:
        """The time of one call: half of the case's to one and a half times that."""
        return self.case.latency_s * self._dice.uniform(0.5, 1.5)

    def headers(self, now: float) -> dict[str, str]:
        """What the case's family announces."""
        if self.case.family is None:
            return {}
        left = [(quantity, period_s, *window.left(now)) for quantity, period_s, window in self.windows]
        return dict(_FAMILIES[self.case.family](left))


def _openai(left: Iterable[Left]) -> Iterable[tuple[str, str]]:
    for quantity, _, limit, rest, reset_s in left:
        yield f"x-ratelimit-limit-{quantity}", str(limit)
        yield f"x-ratelimit-remaining-{quantity}", str(rest)
        yield f"x-ratelimit-reset-{quantity}", go_duration(reset_s)


def _azure(left: Iterable[Left]) -> Iterable[tuple[str, str]]:
    for quantity, _, limit, rest, reset_s in left:
        yield f"x-ratelimit-limit-{quantity}", str(limit)
        yield f"x-ratelimit-remaining-{quantity}", str(rest)
        yield f"x-ratelimit-reset-{quantity}", str(math.ceil(reset_s))


def _anthropic(left: Iterable[Left]) -> Iterable[tuple[str, str]]:
    for quantity, _, limit, rest, reset_s in left:
        moment = datetime.now(UTC) + timedelta(seconds=reset_s)
        yield f"anthropic-ratelimit-{quantity}-limit", str(limit)
        yield f"anthropic-ratelimit-{quantity}-remaining", str(rest)
        yield f"anthropic-ratelimit-{quantity}-reset", moment.isoformat().replace("+00:00", "Z")


def _mistral(left: Iterable[Left]) -> Iterable[tuple[str, str]]:
    for quantity, period_s, limit, rest, _ in left:
        name = f"{quantity[:3] if quantity == 'requests' else quantity}-{_PERIODS[period_s]}"
        yield f"x-ratelimit-limit-{name}", str(limit)
        yield f"x-ratelimit-remaining-{name}", str(rest)


def _ietf(left: Iterable[Left]) -> Iterable[tuple[str, str]]:
    for _, period_s, limit, rest, reset_s in left:
        yield "ratelimit-policy", f'"default";q={limit};w={period_s:.0f}'
        yield "ratelimit", f'"default";r={rest};t={math.ceil(reset_s)}'


def _plain(left: Iterable[Left]) -> Iterable[tuple[str, str]]:
    for _, _, limit, rest, reset_s in left:
        yield "x-ratelimit-limit", str(limit)
        yield "x-ratelimit-remaining", str(rest)
        yield "x-ratelimit-reset", str(math.ceil(reset_s))


_FAMILIES = {
    "OpenAI": _openai,
    "Azure": _azure,
    "Anthropic": _anthropic,
    "Mistral": _mistral,
    "Groq": _openai,
    "IETF": _ietf,
    "plain": _plain,
}


def go_duration(seconds: float) -> str:
    """Seconds as Go prints them: 12ms, 1.5s, 6m0s."""
    if seconds < 1:
        return f"{math.ceil(seconds * 1000)}ms"
    parts, rest = [], math.ceil(seconds * 1000) / 1000
    for size, unit in _UNITS:
        if unit == "s" or parts or rest >= size:
            whole = rest if unit == "s" else rest // size
            parts.append(f"{whole:.3f}".rstrip("0").rstrip(".") + unit)
            rest -= whole * size
    return "".join(parts)


def _refusal(case: Case, wait_s: float, headers: dict[str, str]) -> web.Response:
    error: dict[str, object] = {"message": "Rate limit reached", "code": "rate_limit_exceeded"}
    if case.asks == "seconds":
        headers["retry-after"] = str(math.ceil(wait_s))
    elif case.asks == "ms":
        headers["retry-after-ms"] = str(math.ceil(wait_s * 1000))
    elif case.asks == "body":
        kind = "type.googleapis.com/google.rpc.RetryInfo"
        error = {"code": 429, "message": "Quota exceeded", "status": "RESOURCE_EXHAUSTED"}
        error["details"] = [{"@type": kind, "retryDelay": f"{wait_s:.3f}s"}]
    return web.json_response({"error": error}, status=429, headers=headers)


class Endpoint:
    """All cells, made when they are first asked."""

    def __init__(self, scale: float) -> None:
        self._scale = scale
        self._cells: dict[tuple[str, str], Cell] = {}

    def cell(self, request: web.Request) -> Cell:
        """The cell that a path names."""
        key = request.match_info["arm"], request.match_info["case"]
        if key not in self._cells:
            self._cells[key] = Cell(CASES[int(key[1])], self._scale)
        return self._cells[key]

    async def complete(self, request: web.Request) -> web.Response:
        """One call."""
        loop, cell, body = asyncio.get_running_loop(), self.cell(request), await request.read()
        wait_s, (asked, answered) = cell.ask(body, loop.time())
        if wait_s > 0:
            return _refusal(cell.case, wait_s, cell.headers(loop.time()))
        await asyncio.sleep(cell.latency_s() / self._scale)
        message = {"role": "assistant", "content": "an answer"}
        usage = {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered}
        content = {
            "id": "chatcmpl-0",
            "object": "chat.completion",
            "created": 0,
            "model": json.loads(body)["model"],
            "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
            "usage": usage,
        }
        return web.json_response(content, headers=cell.headers(loop.time()))

    async def ledger(self, request: web.Request) -> web.Response:
        """When calls were admitted, with their tokens, and when others were refused."""
        cell = self.cell(request)
        return web.json_response({"admitted": cell.admitted, "refused": cell.refused})

    async def progress(self, request: web.Request) -> web.Response:
        """The calls that were admitted, and the seconds since the first one."""
        cell, now = self.cell(request), asyncio.get_running_loop().time()
        elapsed_s = 0.0 if cell.began_at is None else now - cell.began_at
        return web.json_response({"admitted": len(cell.admitted), "elapsed_s": elapsed_s})


async def serve(scale: float) -> None:
    """Serve on a free port, print it, and run until the process is ended."""
    endpoint, app = Endpoint(scale), web.Application()
    app.router.add_post("/{arm}/{case}/v1/chat/completions", endpoint.complete)
    app.router.add_get("/{arm}/{case}/ledger", endpoint.ledger)
    app.router.add_get("/{arm}/{case}/progress", endpoint.progress)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=4096)
    await site.start()
    print(f"OPENAI_BASE_URL=http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.Event().wait()


@click.command("limited-endpoint")
@click.option("--scale", default=1.0, help="How many times faster than real time.")
def main(scale: float) -> None:
    """An OpenAI-compatible endpoint on 127.0.0.1 with rate limits of every kind."""
    asyncio.run(serve(scale))


if __name__ == "__main__":
    main()
