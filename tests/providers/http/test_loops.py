"""The lean client, and a whole batch over it, on asyncio's own event loop and on uvloop."""

import asyncio
import socket
import sys
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from kaizen_batch import BatchConfig, ParallelBatchStrategy, RetryPolicy
from kaizen_batch.agents import create_agent
from kaizen_batch.errors import NoAnswerError
from kaizen_batch.simulator import Simulator
from tests.providers.http.raw import KEY, provider, request

if sys.platform == "win32":
    pytest.skip("uvloop is not for Windows", allow_module_level=True)

import uvloop

Loop = Callable[[], asyncio.AbstractEventLoop]
BOTH = pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])


def _run(new_loop: Loop, main: Coroutine[Any, Any, Any]) -> Any:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(main)


@BOTH
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_every_item_comes_back_whatever_happens_on_the_way(new_loop: Loop, host: str, tmp_path: Path) -> None:
    shares = {"rate_torn": 0.03, "rate_truncated": 0.03, "rate_bad_json": 0.03, "rate_429": 0.03, "rate_500": 0.05}
    with Simulator(**shares, rate_hang=0.01, retry_after_s=0.005, torn_before_billing=False, seed=5) as simulator:
        config = BatchConfig(
            base_url=simulator.base_url.replace("127.0.0.1", host),
            api_key=KEY,
            max_concurrent=20,
            timeout_s=0.5,
            hedge_after=0.95,
            retry=RetryPolicy(attempts=20, wait_initial=0.001, wait_max=0.005),
            journal=tmp_path / "run.db",
        )
        strategy = ParallelBatchStrategy.from_config(config)
        done = _run(new_loop, strategy.run_batch(create_agent(config), [f"n {n}" for n in range(200)]))
    assert [result["result"] for result in done.results] == [f"mock answer to: n {n}" for n in range(200)]


@BOTH
def test_a_late_answer_and_a_cancelled_call_leave_nothing_behind(new_loop: Loop) -> None:
    async def main() -> None:
        with Simulator(latency_s=60.0) as simulator:
            late = provider(simulator.base_url, "fast", timeout_s=0.05)
            with pytest.raises(NoAnswerError, match="no answer within"):
                await late.complete(request())
            patient = provider(simulator.base_url, "fast")
            call = asyncio.create_task(patient.complete(request()))
            await asyncio.sleep(0.05)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            assert asyncio.all_tasks() == {asyncio.current_task()}

    _run(new_loop, main())


@BOTH
def test_the_simulator_serves_on_either(new_loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asyncio.run", lambda main: _run(new_loop, main))  # what it runs its own loop by
    with Simulator() as simulator:
        answer = _run(asyncio.new_event_loop, provider(simulator.base_url, "fast").complete(request()))
    assert answer.text == "mock answer to: hello"


def _dead_end(stack: ExitStack) -> int:
    """A port on which no connection comes about: its queue is full, and nobody takes from it."""
    listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
    for _ in range(8):
        waiting = stack.enter_context(socket.socket())
        waiting.setblocking(False)
        waiting.connect_ex(listener.getsockname())
    port: int = listener.getsockname()[1]
    return port


@BOTH
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a full queue may refuse")
def test_of_a_name_s_addresses_one_that_leads_nowhere_holds_nobody_up(
    new_loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        with Simulator() as simulator, ExitStack() as stack:
            ports = [_dead_end(stack), int(simulator.base_url.partition("127.0.0.1:")[2].partition("/")[0])]
            found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in ports]

            async def getaddrinfo(*_: Any, **__: Any) -> list[Any]:
                return found

            ours = provider(simulator.base_url.replace("127.0.0.1", "a-name.test"), "fast", timeout_s=30.0)
            async with ours.session():
                [client] = ours._clients.values()
                transport: Any = client.transport
                connect = transport._origin.connect
                known = _Loop(transport._loop, getaddrinfo)
                monkeypatch.setattr(type(transport._origin), "connect", lambda _, __, made: connect(known, made))
                assert (await ours.complete(request())).text == "mock answer to: hello"

    _run(new_loop, main())


class _Loop:
    """A loop that knows a name's addresses."""

    def __init__(self, loop: asyncio.AbstractEventLoop, getaddrinfo: Any) -> None:
        self._loop = loop
        self.getaddrinfo = getaddrinfo

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)
