"""What stands on the wire, by the lean client and by the SDK: the same request, and the same end of each call."""

import asyncio
import dataclasses
import gzip
import json
import pickle
import subprocess
import sys
import threading
from typing import Any

import msgspec
import pytest

from kaizen_batch.errors import BadRequestError, NoAnswerError, ProviderError, UnsupportedParameterError
from kaizen_batch.providers import Completion, OpenAIProvider, Request
from kaizen_batch.providers.http.pool import PoolTransport
from tests.providers.http.raw import (
    CHAT,
    HANG,
    KEY,
    SCHEMA,
    RawServer,
    Seen,
    Writer,
    answer,
    provider,
    request,
    response,
)

BOTH = pytest.mark.parametrize("transport", ["fast", "sdk"])
_MATTER = ("authorization", "content-type", "accept", "openai-organization", "openai-project", "idempotency-key")
REQUESTS: dict[str, Request] = {
    "plain": request(),
    "all": request(temperature=0.1, max_tokens=7),
    "system": request(messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "x"}]),
    "schema": request(output=SCHEMA, temperature=0.0),
    "reasoning": request(model="gpt-5-mini", temperature=0.3, max_tokens=50),
    "unicode": request('🙂👩‍👩‍👧 é \x00 \u2028 "quoted" \\ \r\n\t </script>'),
    "big": request("x" * 3_000_000),
}


def matter(seen: Seen) -> tuple[str, dict[str, str | None], Any]:
    return seen.line, {name: seen.headers.get(name) for name in _MATTER}, json.loads(seen.body)


async def ending(call: Any) -> Any:
    """What a call gave, or the error it ended with, as far as an engine looks at it."""
    try:
        return await call
    except ProviderError as error:
        return type(error), error.code, error.status, error.message, error.retryable, error.retry_after_s


@pytest.mark.parametrize("name", REQUESTS)
async def test_both_clients_send_the_same_request(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-1")
    async with RawServer() as server:
        fast, sdk = provider(server.url), provider(server.url, "sdk")
        assert (await fast.complete(REQUESTS[name])) == (await sdk.complete(REQUESTS[name]))
    ours, theirs = server.seen
    assert matter(ours) == matter(theirs)
    assert ours.headers["authorization"] == f"Bearer {KEY}"
    assert ours.headers["openai-organization"] == "org-1"
    assert ours.body == fast.body(REQUESTS[name]) and len(ours.body) == len(theirs.body)
    assert set(ours.headers) - {"openai-organization", "openai-project"} == {
        *("host", "authorization", "accept", "content-type", "user-agent", "accept-encoding", "content-length")
    }


@BOTH
@pytest.mark.parametrize("path", ["", "/v1", "/v1/", "/a/b%20c/v1"])
async def test_the_path_of_base_url_is_kept(transport: str, path: str) -> None:
    async with RawServer() as server:
        url = f"http://127.0.0.1:{server.port}{path}"
        await provider(url, transport).complete(request())
    assert server.seen[0].line == f"POST {path.rstrip('/')}/chat/completions HTTP/1.1"


@BOTH
async def test_refused_parameters_are_left_out_from_then_on(transport: str) -> None:
    async def refuse(seen: Seen, writer: Writer) -> bytes:
        sent = json.loads(seen.body)
        for name in ("max_tokens", "temperature"):
            if name in sent:
                error = {"code": "unsupported_parameter", "param": name, "message": "no"}
                return response(400, json.dumps({"error": error}).encode())
        return response()

    async with RawServer(refuse) as server:
        ours, asked = provider(server.url, transport), request(temperature=0.5, max_tokens=9)
        for _ in range(2):
            with pytest.raises(UnsupportedParameterError):
                await ours.complete(asked)
        await ours.complete(asked)
    assert json.loads(server.seen[-1].body) == {
        "model": "gpt-4o-mini",
        "messages": asked.messages,
        "max_completion_tokens": 9,
        "stream": False,
    }
    assert b'"temperature":0.5,"max_tokens":9' in ours.body(asked), "the key stays what it was"


@BOTH
async def test_calls_refused_at_once_are_all_adapted(transport: str) -> None:
    error = {"error": {"code": "unsupported_parameter", "param": "max_tokens"}}

    async def refuse(seen: Seen, writer: Writer) -> bytes:
        return response(400, json.dumps(error).encode()) if b'"max_tokens"' in seen.body else response()

    async with RawServer(refuse) as server:
        ours = provider(server.url, transport)
        async with ours.session():
            ends = await _all([ending(ours.complete(request(max_tokens=9))) for _ in range(5)])
    assert [end[0] for end in ends] == [UnsupportedParameterError] * 5


@BOTH
async def test_a_lone_surrogate_is_refused_before_anything_is_sent(transport: str) -> None:
    async with RawServer() as server:
        ours = provider(server.url, transport)
        with pytest.raises(BadRequestError) as caught:
            await ours.complete(request("\ud800"))
        assert b"\xed\xa0\x80" in ours.body(request("\ud800")), "a journal has a key for it all the same"
    assert (caught.value.code, server.seen) == ("invalid_text", [])


def test_an_integer_beyond_64_bits_in_a_schema_is_written_out() -> None:
    schema = dataclasses.replace(SCHEMA, schema={"maximum": 10**30})
    assert b'"maximum":1000000000000000000000000000000' in provider("http://x/v1").body(request(output=schema))


def test_the_bytes_are_made_once_and_are_no_part_of_the_request() -> None:
    ours, one = provider("http://x/v1"), request()
    body = ours.body(one)
    assert ours.body(one) is body
    assert one == request() and "encoded" not in repr(one) + str(msgspec.structs.asdict(one))
    assert not hasattr(pickle.loads(pickle.dumps(one)), "encoded")
    changed = msgspec.structs.replace(one, model="gpt-4o")
    assert b'"gpt-4o"' in ours.body(changed)


# Answers.

_GZIP = "content-encoding: gzip\r\n"
ENDS: dict[str, bytes] = {
    "headers": response(headers="X-RateLimit-Remaining-Requests: 5\r\nRetry-After: 3\r\nX-Other: 1\r\n"),
    "gzip": response(body=gzip.compress(CHAT), headers=_GZIP),
    "no gzip": response(body=CHAT, headers=_GZIP),
    "chunked": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(CHAT), CHAT),
    "cut chunk": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n40\r\n{",
    "cut": response()[:-10],
    "cut head": b"HTTP/1.1 200 OK\r\ncontent-le",
    "no HTTP": b"hello\r\n\r\n",
    "nothing": b"",
    "until close": b"HTTP/1.1 200 OK\r\n\r\n" + CHAT,
    "bom": response(body=b"\xef\xbb\xbf" + CHAT),
    "surrogate": response(body=CHAT.replace(b"hi", b"\\ud800")),
    "bad utf-8": response(body=CHAT.replace(b"hi", b"\xff")),
    "deep": response(body=b"[" * 100_000),
    "204": b"HTTP/1.1 204 No Content\r\n\r\n",
    "304": b"HTTP/1.1 304 Not Modified\r\n\r\n",
    "201": response(201),
    "html": response(502, b"<html>Bad Gateway</html>"),
    "empty 500": response(500, b""),
    "list 400": response(400, b'["no"]'),
    "429": response(429, b'{"error": {"code": "slow_down"}}', "retry-after-ms: 1500\r\nx-should-retry: false\r\n"),
    "quoted key": response(401, json.dumps({"error": {"message": f"wrong: {KEY}"}}).encode()),
    "early hints": b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + response(),
    "long header": response(headers=f"x-policy: {'y' * 20_000}\r\n"),
}
_TORN = {"cut chunk", "cut", "cut head", "no HTTP", "nothing", "no gzip"}


@pytest.mark.parametrize("name", ENDS)
async def test_both_make_the_same_of_an_answer(name: str) -> None:
    async def reply(seen: Seen, writer: Writer) -> bytes:
        writer.write(ENDS[name])
        return b""

    async with RawServer(reply) as server:
        ours = await ending(provider(server.url).complete(request()))
        theirs = await ending(provider(server.url, "sdk").complete(request()))
    if name in _TORN:
        assert ours[:3] == theirs[:3] == (NoAnswerError, "connection", None)
    else:
        assert ours == theirs
    assert KEY not in str((ours, theirs))
    if name == "headers":
        assert ours.headers == {"x-ratelimit-remaining-requests": "5", "retry-after": "3"}
    if name in ("early hints", "long header", "chunked", "gzip", "bom", "until close"):
        assert isinstance(ours, Completion) and ours.text == "hi"


@BOTH
@pytest.mark.parametrize(("status", "line"), [(307, "POST"), (308, "POST"), (302, "GET"), (303, "GET")])
async def test_a_redirect_is_followed_without_the_key_to_another_host(transport: str, status: int, line: str) -> None:
    async with RawServer() as target:

        async def elsewhere(seen: Seen, writer: Writer) -> bytes:
            return response(status, b"", f"location: http://127.0.0.1:{target.port}/there\r\n")

        async with RawServer(elsewhere) as server:
            done = await provider(server.url, transport).complete(request())
    [seen] = target.seen
    assert (done.text, seen.line) == ("hi", f"{line} /there HTTP/1.1")
    assert "authorization" not in seen.headers
    assert seen.body == (server.seen[0].body if line == "POST" else b"")


@BOTH
async def test_a_redirect_in_circles_ends(transport: str) -> None:
    async def round_and_round(seen: Seen, writer: Writer) -> bytes:
        return response(307, b"", "location: /v1/chat/completions\r\n")

    async with RawServer(round_and_round) as server:
        end = await ending(provider(server.url, transport).complete(request()))
    assert (*end[:2], end[4]) == (NoAnswerError, "redirect", False) and len(server.seen) <= 22


@BOTH
@pytest.mark.parametrize("size", [100, 500_000, 5_000_000])
async def test_a_refusal_that_comes_before_the_body_was_read_is_heard(transport: str, size: int) -> None:
    class Impatient(RawServer):
        async def _requests(self, reader: asyncio.StreamReader, writer: Writer) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(response(413, b'{"error": {"message": "too large"}}', "connection: close\r\n"))
            await writer.drain()
            writer.write_eof()
            await reader.read()

    async with Impatient() as server:
        end = await ending(provider(server.url, transport).complete(request("x" * size)))
    assert end[:3] == (BadRequestError, "bad_request", 413)


# Connections.


async def hang(seen: Seen, writer: Writer) -> bytes:
    return HANG


@BOTH
async def test_an_answer_that_is_late_is_a_timeout_that_may_be_billed(transport: str) -> None:
    async with RawServer(hang) as server:
        ours = provider(server.url, transport, timeout_s=0.05)
        with pytest.raises(NoAnswerError, match=r"no answer within 0\.05 s") as caught:
            await ours.complete(request())
    assert (caught.value.code, caught.value.may_be_billed) == ("timeout", True)


async def test_the_time_limit_is_that_of_the_whole_call() -> None:
    async def drip(seen: Seen, writer: Writer) -> bytes:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
        while True:
            writer.write(b" ")
            await asyncio.sleep(0.01)

    async with RawServer(drip) as server:
        end = await ending(provider(server.url, timeout_s=0.1).complete(request()))
    assert end[:2] == (NoAnswerError, "timeout")


@BOTH
async def test_what_never_connected_cannot_be_billed(transport: str) -> None:
    async with RawServer() as gone:
        pass
    with pytest.raises(NoAnswerError, match=r"the connection to localhost:\d+ failed: connection refused") as caught:
        await provider(gone.url, transport).complete(request())
    assert (caught.value.code, caught.value.may_be_billed) == ("connection", False)


@BOTH
async def test_a_torn_call_may_be_billed(transport: str) -> None:
    async def tear(seen: Seen, writer: Writer) -> bytes:
        return b""

    async with RawServer(tear) as server:
        with pytest.raises(NoAnswerError) as caught:
            await provider(server.url, transport).complete(request())
    assert caught.value.may_be_billed


@BOTH
async def test_a_server_that_closes_what_is_idle_fails_no_call(transport: str) -> None:
    """No `Connection: close` tells of it: the connection is simply gone by the next call."""
    closed = asyncio.Event()

    async def close_after(seen: Seen, writer: Writer) -> bytes:
        writer.write(response())
        await writer.drain()
        asyncio.get_running_loop().call_soon(closed.set)
        return b""

    async with RawServer(close_after) as server:
        ours = provider(server.url, transport)
        async with ours.session():
            for _ in range(5):
                closed.clear()
                await ours.complete(request())
                await closed.wait()
                await server.until(lambda: not server.open_now)
    assert (len(server.seen), server.opened) == (5, 5)


@BOTH
async def test_connections_are_kept_and_no_more_than_max_concurrent(transport: str) -> None:
    async with RawServer() as server:
        ours = provider(server.url, transport, max_concurrent=3)
        async with ours.session():
            await _all([ours.complete(request()) for _ in range(30)])
    assert (len(server.seen), server.opened) == (30, 3)


async def test_a_storm_of_cancelled_calls_leaves_nothing_behind() -> None:
    async with RawServer(hang) as server:
        ours = provider(server.url, max_concurrent=1000)
        async with ours.session():
            transport = ours._clients[asyncio.get_running_loop()].transport
            assert isinstance(transport, PoolTransport)
            calls = [asyncio.create_task(ours.complete(request())) for _ in range(1000)]
            await server.until(lambda: len(server.seen) >= 500)
            for call in calls:
                call.cancel()
            assert {type(end) for end in await _ends(calls)} == {asyncio.CancelledError}
            await server.until(lambda: not server.open_now)
            assert not transport._open and not transport._idle
            server.reply = answer
            assert (await ours.complete(request())).text == "hi"
        assert {task for task in asyncio.all_tasks() - {asyncio.current_task()} if task not in server._tasks} == set()


async def test_a_call_cancelled_amid_its_answer_does_not_spoil_the_next() -> None:
    begun = asyncio.Event()

    async def half(seen: Seen, writer: Writer) -> bytes:
        writer.write(response()[:-20])
        begun.set()
        return HANG

    async with RawServer(half) as server:
        ours = provider(server.url, max_concurrent=1)
        async with ours.session():
            call = asyncio.create_task(ours.complete(request()))
            await begun.wait()
            await asyncio.sleep(0.01)
            call.cancel()
            await asyncio.wait([call])
            server.reply = answer
            assert (await ours.complete(request())).text == "hi"
    assert server.opened == 2


@BOTH
def test_loops_and_threads_have_clients_of_their_own(transport: str) -> None:
    ours: OpenAIProvider | None = None
    ready, over, texts = threading.Event(), threading.Event(), []

    async def serve() -> None:
        nonlocal ours
        async with RawServer() as server:
            ours = provider(server.url, transport)
            ready.set()
            while not over.is_set():  # noqa: ASYNC110 - another thread's event
                await asyncio.sleep(0.005)

    async def ask() -> None:
        assert ours is not None
        async with ours.session():
            texts.extend([done.text for done in await _all([ours.complete(request()) for _ in range(10)])])
        texts.append((await ours.complete(request())).text)

    server = threading.Thread(target=asyncio.run, args=(serve(),))
    server.start()
    ready.wait(10)
    threads = [threading.Thread(target=lambda: [asyncio.run(ask()) for _ in range(2)]) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    over.set()
    server.join(10)
    assert texts == ["hi"] * 66
    assert ours is not None and not ours._clients


def test_the_lean_client_does_not_import_the_sdk() -> None:
    code = (
        "import asyncio, sys\n"
        "from kaizen_batch.providers import OpenAIProvider\n"
        "heavy = {'openai', 'aiohttp', 'httpx2', 'httptools'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "async def main():\n"
        "    async with OpenAIProvider(base_url='http://127.0.0.1:1/v1').session(): pass\n"
        "asyncio.run(main())\n"
        "assert heavy & set(sys.modules) == {'httptools'}\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


async def _all(calls: list[Any]) -> list[Any]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(call) for call in calls]
    return [task.result() for task in tasks]


async def _ends(tasks: list[Any]) -> list[Any]:
    await asyncio.wait(tasks)
    return [asyncio.CancelledError() if task.cancelled() else task.exception() or task.result() for task in tasks]


async def test_a_client_that_is_closed_amid_a_call_says_so() -> None:
    async with RawServer(hang) as server:
        ours = provider(server.url)
        async with ours.session():
            call = asyncio.create_task(ours.complete(request()))
            await server.until(lambda: bool(server.seen))
            await ours._clients[asyncio.get_running_loop()].transport.close()
            end = await ending(call)
    assert end[:3] == (NoAnswerError, "connection", None)


async def test_what_comes_unasked_is_no_answer_to_the_next_call() -> None:
    async def twice(seen: Seen, writer: Writer) -> bytes:
        writer.write(response())
        await writer.drain()
        await asyncio.sleep(0.02)
        return response(200, CHAT.replace(b"hi", b"stray"))

    async with RawServer(twice) as server:
        ours = provider(server.url)
        async with ours.session():
            assert (await ours.complete(request())).text == "hi"
            await server.until(lambda: not server.open_now)
            assert (await ours.complete(request())).text == "hi"
    assert server.opened == 2
