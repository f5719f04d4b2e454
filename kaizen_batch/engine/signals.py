"""SIGTERM and Ctrl-C as the polite requests that they are meant to be."""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

_TERMINATED = 128 + signal.SIGTERM  # what a shell says of a process that SIGTERM has ended


@contextmanager
def on_stop(callback: Callable[[BaseException], None]) -> Iterator[None]:
    """Call back on SIGTERM or SIGINT while the block lasts, with what the process is to end with.

    Only where the process would otherwise just die of it, or be torn out of its event loop: a handler of the user's
    own is left alone, and so is `asyncio.run`, which turns SIGINT into a cancellation. Nothing is done outside of
    the main thread, where Python allows no handlers, and on systems without such signals.
    """
    loop = asyncio.get_running_loop()
    taken: list[signal.Signals] = []
    if threading.current_thread() is threading.main_thread():
        with suppress(NotImplementedError):
            if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
                loop.add_signal_handler(signal.SIGTERM, callback, SystemExit(_TERMINATED))
                taken.append(signal.SIGTERM)
            if signal.getsignal(signal.SIGINT) == signal.default_int_handler:
                loop.add_signal_handler(signal.SIGINT, callback, KeyboardInterrupt())
                taken.append(signal.SIGINT)
    try:
        yield
    finally:
        for number in taken:
            loop.remove_signal_handler(number)
