"""A connection, and requests that cross the server's close. The torture suite has the rest."""

import asyncio
from typing import Any

import pytest

from kaizen_batch.providers.http.http11 import ConnectionClosed
from kaizen_batch.providers.http.pool import PoolTransport
from tests.providers.http.raw import RawServer, Seen, Writer, provider, request, response


def connections_of(ours: Any) -> list[Any]:
    transport = ours._clients[asyncio.get_running_loop()].transport
    assert isinstance(transport, PoolTransport)
    return list(transport._open)


async def answer_and_close(seen: Seen, writer: Writer) -> bytes:
    writer.write(response())
    await writer.drain()
    return b""


async def test_a_request_that_crosses_the_close_of_a_kept_connection_is_sent_again() -> None:
    async with RawServer(answer_and_close) as server:
        ours = provider(server.url)
        async with ours.session():
            for _ in range(5):
                assert (await ours.complete(request())).text == "hi"
                await server.until(lambda: not server.open_now)
                for connection in connections_of(ours):
                    connection.poll, connection.free = (lambda _: []), True  # as if the close were on its way
    assert len(server.seen) == 5


async def test_a_request_that_was_read_is_not_sent_again() -> None:
    async def second_unanswered(seen: Seen, writer: Writer) -> bytes:
        return response() if len(server.seen) == 1 else b""

    async with RawServer(second_unanswered) as server:
        ours = provider(server.url)
        async with ours.session():
            await ours.complete(request())
            with pytest.raises(Exception, match="closed") as caught:
                await ours.complete(request())
    assert caught.value.may_be_billed and len(server.seen) == 2  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("value", "opened"), [("timeout=60, max=2", 2), ("timeout=0", 4), ("max=1", 4), ("timeout=60", 1)]
)
async def test_keep_alive_is_obeyed(value: str, opened: int) -> None:
    async def limited(seen: Seen, writer: Writer) -> bytes:
        return response(headers=f"Keep-Alive: {value}\r\n")

    async with RawServer(limited) as server:
        ours = provider(server.url)
        async with ours.session():
            for _ in range(4):
                await ours.complete(request())
    assert server.opened == opened


async def test_idle_connections_are_closed_when_no_item_is_left() -> None:
    async with RawServer() as server:
        ours = provider(server.url)
        async with ours.session():
            await ours.complete(request())
            assert server.open_now == 1
            ours.release_idle()
            await server.until(lambda: not server.open_now)
            await ours.complete(request())
            await server.until(lambda: not server.open_now)


async def test_another_run_keeps_its_connections() -> None:
    async with RawServer() as server:
        ours = provider(server.url)
        async with ours.session():
            async with ours.session():
                ours.release_idle()  # of the inner run
                for _ in range(3):
                    await ours.complete(request())
            for _ in range(3):
                await ours.complete(request())
    assert server.opened == 1


async def test_idle_connections_beyond_the_calls_in_flight_are_closed_after_a_moment() -> None:
    async with RawServer() as server:
        ours = provider(server.url, max_concurrent=5)
        async with ours.session():
            async with asyncio.TaskGroup() as group:
                for _ in range(5):
                    group.create_task(ours.complete(request()))
            assert server.open_now > 0
            await server.until(lambda: not server.open_now)


def test_a_closed_connection_is_a_connection_error() -> None:
    assert issubclass(ConnectionClosed, ConnectionError)
