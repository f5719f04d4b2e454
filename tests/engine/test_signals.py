"""SIGTERM and SIGINT call back once for each signal, and only where the process would otherwise die of them."""

import asyncio
import os
import signal
import threading
from collections.abc import Iterator

import pytest

from kaizen_batch.engine.signals import cancelled_on_stop, on_stop


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    """Python's own handlers during the test, and those of pytest after it."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(("number", "end"), [(signal.SIGTERM, SystemExit), (signal.SIGINT, KeyboardInterrupt)])
def test_a_signal_calls_back_with_the_end_of_the_process(number: signal.Signals, end: type[BaseException]) -> None:
    received: list[BaseException] = []

    async def main() -> None:
        called = asyncio.Event()

        def callback(end: BaseException) -> None:
            received.append(end)
            called.set()

        with on_stop(callback):
            os.kill(os.getpid(), number)
            await asyncio.wait_for(called.wait(), 20)

    loop = asyncio.new_event_loop()
    loop.run_until_complete(main())
    loop.close()
    assert [type(each) for each in received] == [end]
    assert end is not SystemExit or received[0].code == 128 + signal.SIGTERM  # type: ignore[attr-defined]


def test_a_handler_of_the_user_is_left_alone_and_ours_is_removed() -> None:
    def mine(number: int, frame: object) -> None:
        raise AssertionError("not called")

    async def main() -> None:
        with on_stop(lambda end: None):
            assert signal.getsignal(signal.SIGTERM) is mine
            assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
        assert signal.getsignal(signal.SIGINT) == signal.default_int_handler

    signal.signal(signal.SIGTERM, mine)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(main())
    loop.close()
    assert signal.getsignal(signal.SIGTERM) is mine


def test_outside_of_the_main_thread_nothing_is_handled() -> None:
    seen: list[object] = []

    async def main() -> None:
        with on_stop(lambda end: None):
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    thread.join()
    assert seen == [signal.SIG_DFL]


def test_work_that_may_be_left_is_cancelled_and_the_signal_is_what_its_caller_gets() -> None:
    left: list[str] = []

    async def main() -> None:
        with cancelled_on_stop():
            asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGTERM)
            try:
                await asyncio.sleep(20)
            finally:
                left.append("cleaned up")

    loop = asyncio.new_event_loop()
    with pytest.raises(SystemExit) as error:
        loop.run_until_complete(main())
    loop.close()
    assert (error.value.code, left) == (128 + signal.SIGTERM, ["cleaned up"])


def test_another_cancellation_passes_through() -> None:
    async def main() -> None:
        with cancelled_on_stop():
            await asyncio.sleep(20)

    async def cancelled() -> None:
        task = asyncio.create_task(main())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    loop = asyncio.new_event_loop()
    loop.run_until_complete(cancelled())
    loop.close()
