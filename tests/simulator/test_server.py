"""The server: nothing of it is left after its block, and every setting is an option of the command."""

import gc
import socket
import threading
import warnings

import pytest

from kaizen_batch.simulator import Simulator

from .raw_http import ask, port_of, request_bytes


def _crowd(port: int, stop: threading.Event, left_open: list[socket.socket]) -> None:
    pieces = (b"", b"POST /v1/chat", request_bytes()[:-5], request_bytes())
    for n in range(1_000):
        if stop.is_set():
            return
        client = socket.socket()
        left_open.append(client)
        try:
            client.setblocking(n % 2 == 0)
            client.connect_ex(("127.0.0.1", port))
            client.send(pieces[n % 4])
        except OSError:
            client.close()


@pytest.mark.parametrize("latency_s", [0.0, 0.005])
def test_no_transport_is_left_when_clients_come_while_the_block_ends(latency_s: float) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        gc.freeze()  # what other tests have left in memory need not be looked through 40 times
        try:
            for n in range(20):
                _end_amid_a_crowd(latency_s, pause_s=n * 0.0005)
                gc.collect()
        finally:
            gc.unfreeze()


def _end_amid_a_crowd(latency_s: float, pause_s: float) -> None:
    stop, sockets = threading.Event(), list[socket.socket]()
    try:
        with Simulator(latency_s=latency_s) as simulator:
            crowd = threading.Thread(target=_crowd, args=(port_of(simulator), stop, sockets))
            crowd.start()
            stop.wait(0.005 + pause_s)
        # Its thread has ended: whatever the server left open is garbage now, while the clients are still there.
        gc.collect()
        assert simulator.ledger.in_flight == 0
    finally:
        stop.set()
        crowd.join()
        for client in sockets:
            client.close()


async def test_a_second_block_listens_on_the_same_port_and_goes_on_with_the_ledger() -> None:
    simulator = Simulator()
    with simulator:
        await ask(simulator)
        url = simulator.base_url
    with simulator:
        await ask(simulator)
        assert simulator.base_url == url
    assert simulator.ledger.billed == 2
