"""SIGTERM as the polite request that it is meant to be."""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def on_sigterm(callback: Callable[[], None]) -> Iterator[None]:
    """Call back on SIGTERM while the block lasts, if the process would otherwise just die of it.

    A handler of the user's own is left alone, and so is everything outside of the main thread, where Python allows
    no handlers, and on systems without such signals.
    """
    loop = asyncio.get_running_loop()
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return
    try:
        loop.add_signal_handler(signal.SIGTERM, callback)
    except NotImplementedError:
        yield
        return
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
