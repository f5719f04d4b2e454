"""Faults: what stands on the wire, and what is billed."""

import asyncio
import json

import pytest

from kaizen_batch.simulator import Reply, Settings, Simulator
from kaizen_batch.simulator.faults import slowdown
from kaizen_batch.simulator.settings import error_reply

from .raw_http import Answer, ask, ask_many, port_of, read_answer, request_bytes, send, until


async def test_a_hung_call_is_billed_and_in_flight_until_its_socket_closes() -> None:
    with Simulator(rate_hang=1.0, hang_s=0.03) as simulator:
        waiting = asyncio.create_task(send(simulator, request_bytes()))
        await until(lambda: simulator.ledger.billed == 1)
        assert simulator.ledger.in_flight == 1
        assert await waiting is None
        assert simulator.ledger.in_flight == 0
    assert [(entry.status, entry.fault) for entry in simulator.ledger.entries] == [(0, "hang")]


async def test_a_hung_call_whose_client_leaves_is_no_longer_in_flight() -> None:
    with Simulator(rate_hang=1.0) as simulator:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ask(simulator), 0.02)
        await until(lambda: simulator.ledger.in_flight == 0)
    assert (simulator.ledger.billed, simulator.ledger.peak_in_flight) == (1, 1)


async def test_slow_down_is_a_429_of_that_name_and_not_billed() -> None:
    with Simulator(rate_slow_down=1.0, retry_after_s=0.2) as simulator:
        answer = await ask(simulator)
    assert (answer.status, answer.code, answer.retry_after_s) == (429, "slow_down", 0.2)
    assert simulator.ledger.billed == 0


async def test_a_500_is_now_and_then_a_502_or_a_503() -> None:
    with Simulator(rate_500=1.0, seed=1) as simulator:
        answers = await ask_many(simulator, 40)
    assert {answer.status for answer in answers} == {500, 502, 503}
    assert {a.headers["content-type"] for a in answers if a.status == 502} == {"text/html"}


@pytest.mark.parametrize("mode", ["500", "torn"])
async def test_down_refuses_every_call_until_it_is_set_back(mode: str) -> None:
    with Simulator() as simulator:
        simulator.down_mode = mode
        simulator.down = True
        refused = await send(simulator, request_bytes())
        simulator.down = False
        assert (await ask(simulator)).status == 200
    assert (refused.status if refused else 0) == (500 if mode == "500" else 0)
    assert [(e.status, e.billed) for e in simulator.ledger.entries] == [(500 if refused else 0, False), (200, True)]


def test_another_down_mode_is_refused() -> None:
    with pytest.raises(ValueError, match="must be '500' or 'torn'; given: 'slow'"):
        Simulator().down_mode = "slow"


async def test_the_scripted_status_0_tears_the_connection(simulator: Simulator) -> None:
    simulator.reply_with(Reply(0), error_reply(429, "x").with_headers({"retry-after": "7"}))
    assert await send(simulator, request_bytes()) is None
    assert (await ask(simulator)).headers["retry-after"] == "7"


async def test_the_shares_of_many_faults_stand_side_by_side() -> None:
    with Simulator(rate_429=0.3, rate_bad_json=0.3, rate_no_usage=0.3, seed=5) as simulator:
        await ask_many(simulator, 200)
    faults = [entry.fault for entry in simulator.ledger.entries]
    assert all(40 < faults.count(name) < 80 for name in ("429", "bad_json", "no_usage"))
    assert 5 < faults.count("") < 40


async def test_no_http_is_a_400_and_an_unknown_path_a_404(simulator: Simulator) -> None:
    for data, status in ((b"hello?\r\n\r\n", 400), (b"GET /v2 HTTP/1.1\r\n\r\n", 404)):
        answer = await send(simulator, data)
        assert answer is not None and answer.status == status


async def test_pipelined_requests_are_answered_in_their_order() -> None:
    with Simulator(latency_s=0.001) as simulator:
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(simulator))
        writer.write(b"".join(request_bytes(f"n{n}") for n in range(20)))
        answers = [await read_answer(reader) for _ in range(20)]
        writer.close()
        await writer.wait_closed()
    assert [_text(answer) for answer in answers] == [f"mock answer to: n{n}" for n in range(20)]


async def test_a_request_in_small_pieces_is_read_and_asked_to_go_on(simulator: Simulator) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(simulator))
    head, _, body = request_bytes("piecemeal").partition(b"\r\n\r\n")
    for piece in (head[:20], head[20:] + b"\r\nExpect: 100-continue\r\n\r\n"):
        writer.write(piece)
        await asyncio.sleep(0.002)
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    for piece in (body[:10], body[10:]):
        writer.write(piece)
        await asyncio.sleep(0.002)
    assert _text(await read_answer(reader)) == "mock answer to: piecemeal"
    writer.close()
    await writer.wait_closed()


def _text(answer: Answer | None) -> str:
    assert answer is not None
    return str(json.loads(answer.body)["choices"][0]["message"]["content"])


def test_beyond_the_knee_throughput_falls() -> None:
    settings = Settings(knee=10)
    assert [slowdown(settings, n, 0.0) for n in (1, 10, 20)] == [1.0, 1.0, 4.0]
    assert slowdown(Settings(knee=10, knee_power=1.0), 30, 0.0) == 3.0


def test_a_brownout_has_a_start_and_an_end() -> None:
    settings = Settings(brownout=(1.0, 2.0, 5.0))
    assert [slowdown(settings, 1, age) for age in (0.9, 1.0, 1.9, 2.0)] == [1.0, 5.0, 5.0, 1.0]
