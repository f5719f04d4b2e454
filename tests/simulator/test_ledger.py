"""The ledger: sums, windows, its file, and calls whose client has gone."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaizen_batch.simulator import Entry, Ledger, Simulator
from kaizen_batch.simulator.ledger import worst_window

from .raw_http import ask, ask_many, send, until


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 9)), max_size=30), st.integers(1, 20))
def test_the_worst_window_is_that_of_a_plain_search(calls: list[tuple[int, int]], window: int) -> None:
    starts = [at for at, _ in calls]
    inside = [[cost for at, cost in calls if start <= at < start + window] for start in starts]
    assert worst_window([(float(at), cost) for at, cost in calls], window) == (
        max(map(len, inside), default=0),
        max(map(sum, inside), default=0),
    )


def test_bills_are_counted_by_prompt_and_refused_calls_are_not() -> None:
    ledger = Ledger()
    for status, billed, prompt in ((200, True, "a"), (0, True, "a"), (500, False, "a"), (200, True, "b")):
        ledger.record(Entry(status, billed, prompt, at=1.0, charged=5))
    assert ledger.billed_by_prompt() == {"a": 2, "b": 1}
    assert ledger.worst_window(1.0) == (3, 15)


async def test_an_entry_says_when_what_and_for_how_much() -> None:
    with Simulator(price_input=1.0, price_output=10.0) as simulator:
        before = asyncio.get_running_loop().time()
        usage = json.loads((await ask(simulator, "hello, hello")).body)["usage"]
        [entry] = simulator.ledger.entries
        assert before <= entry.at <= asyncio.get_running_loop().time()
    assert entry.prompt_sha256 == sha256(b"hello, hello").hexdigest()
    assert (entry.model, entry.tokens, entry.charged) == ("gpt-4o-mini", usage["total_tokens"], usage["total_tokens"])
    assert entry.usd == pytest.approx((usage["prompt_tokens"] + 10 * usage["completion_tokens"]) / 1e6)
    assert simulator.ledger.usd == entry.usd


async def test_a_call_whose_client_has_gone_is_billed_all_the_same() -> None:
    with Simulator(latency_s=0.03) as simulator:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ask(simulator), 0.01)
        assert (simulator.ledger.in_flight, simulator.ledger.billed) == (1, 0)
        await until(lambda: simulator.ledger.in_flight == 0)
        assert [(entry.status, entry.billed) for entry in simulator.ledger.entries] == [(200, True)]


async def test_calls_that_the_end_of_the_server_cuts_off_are_not_billed() -> None:
    with Simulator(latency_s=60.0) as simulator:
        calls = asyncio.create_task(ask_many(simulator, 3))
        await until(lambda: simulator.ledger.in_flight == 3)
    with pytest.raises(BaseExceptionGroup):
        await calls
    assert (simulator.ledger.in_flight, simulator.ledger.calls, simulator.ledger.peak_in_flight) == (0, 0, 3)


async def test_the_ledger_over_http_with_and_without_entries_and_its_reset(simulator: Simulator) -> None:
    await ask(simulator)
    assert len((await _ledger(simulator, "GET /ledger"))["entries"]) == 1
    totals = await _ledger(simulator, "GET /ledger?entries=0")
    assert totals == {"calls": 1, "billed": 1, "usd": 0.0, "peak_in_flight": 1, "in_flight": 0}
    assert (await _ledger(simulator, "POST /ledger/reset"))["entries"] == []
    assert (simulator.ledger.calls, simulator.ledger.billed, simulator.ledger.peak_in_flight) == (0, 0, 0)


async def _ledger(simulator: Simulator, what: str) -> Any:
    answer = await send(simulator, f"{what} HTTP/1.1\r\n\r\n".encode())
    assert answer is not None
    return json.loads(answer.body)


async def test_the_file_holds_what_the_ledger_holds(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    simulator = Simulator(rate_429=0.5, ledger_path=str(path))
    for _ in range(2):
        with simulator:
            await ask_many(simulator, 10)
    assert Ledger.read(path).entries == simulator.ledger.entries
    assert Ledger.read(path).billed == simulator.ledger.billed
    with path.open("a") as file:
        file.write('{"status": 2')
    assert Ledger.read(path).calls == 20
    with simulator:
        await _ledger(simulator, "POST /ledger/reset")
    assert path.read_bytes() == b""


def test_the_file_survives_a_kill_of_the_server(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    command = [sys.executable, "-m", "kaizen_batch.simulator", "--ledger-path", str(path), "--brownout", "0", "9", "1"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        port = process.stdout.readline().strip().rsplit(":", 1)[1].split("/")[0]
        asyncio.run(ask(Simulator(port=int(port)), "remember me"))
        process.send_signal(signal.SIGKILL)
    assert Ledger.read(path).billed_by_prompt() == {sha256(b"remember me").hexdigest(): 1}
