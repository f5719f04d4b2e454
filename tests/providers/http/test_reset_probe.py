"""Sockets that are looked at without reading: closed, reset, or quiet."""

import asyncio
import socket
import struct

import pytest

from kaizen_batch.providers.http.reset_probe import HAS_POLL, ResetProbe, poller_of

if not HAS_POLL:
    pytest.skip("poll() is not for Windows", allow_module_level=True)


def pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        return client, listener.accept()[0]


def test_a_quiet_socket_is_quiet_and_one_with_bytes_is_not() -> None:
    client, server = pair()
    with client, server:
        look = poller_of(client.fileno())
        assert not look(0)
        server.send(b"x")
        assert look(1000)


def test_a_closed_socket_is_readable() -> None:
    client, server = pair()
    with client:
        server.close()
        assert poller_of(client.fileno())(1000)


async def probed(client: socket.socket) -> bool:
    ended: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    ResetProbe(client.fileno(), ended.set_result).look_in(asyncio.get_running_loop(), 0.02)
    return await ended


async def test_a_request_to_a_closed_socket_is_answered_with_a_reset() -> None:
    client, server = pair()
    with client:
        server.close()
        client.send(b"request")
        assert await probed(client)


async def test_a_close_alone_is_no_reset() -> None:
    client, server = pair()
    with client:
        client.send(b"request")
        server.recv(100)
        server.close()
        assert not await probed(client)


async def test_a_probe_outlives_the_socket_of_the_loop() -> None:
    client, server = pair()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    ended: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    probe = ResetProbe(client.fileno(), ended.set_result)
    client.close()
    server.close()
    probe.look_in(asyncio.get_running_loop(), 0.02)
    assert await ended


async def test_a_probe_that_is_given_up_knows_nothing() -> None:
    client, server = pair()
    ended: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    with client, server:
        probe = ResetProbe(client.fileno(), ended.set_result)
        probe.look_in(asyncio.get_running_loop(), 60)
        probe.close()
        assert not await ended
