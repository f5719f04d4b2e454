"""Signals that ask a process to end: Ctrl-C, SIGTERM, SIGHUP (the terminal was closed), SIGQUIT."""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

_SHELL = 128  # a shell adds the number of the signal that has ended a process
_ENDING = ("SIGTERM", "SIGHUP", "SIGQUIT")  # SIGHUP and SIGQUIT are not on Windows


@contextmanager
def on_stop(callback: Callable[[BaseException], None]) -> Iterator[None]:
    """Call back on one of these signals during the block, with the exception that is to end the process.

    This applies only where the signal would otherwise kill the process or interrupt its event loop: handlers of the
    user stay in place, and so does that of `asyncio.run`, which turns SIGINT into a cancellation. Nothing is done
    outside of the main thread, where Python allows no handlers, or on systems without such signals.
    """
    loop = asyncio.get_running_loop()
    taken: list[signal.Signals] = []
    if threading.current_thread() is threading.main_thread():
        with suppress(NotImplementedError):
            for number in (getattr(signal, name) for name in _ENDING if hasattr(signal, name)):
                if signal.getsignal(number) == signal.SIG_DFL:
                    loop.add_signal_handler(number, callback, SystemExit(_SHELL + number))
                    taken.append(number)
            if signal.getsignal(signal.SIGINT) == signal.default_int_handler:
                loop.add_signal_handler(signal.SIGINT, callback, KeyboardInterrupt())
                taken.append(signal.SIGINT)
    try:
        yield
    finally:
        for number in taken:
            loop.remove_signal_handler(number)


@contextmanager
def cancelled_on_stop() -> Iterator[None]:
    """Inside it, one of these signals cancels the current task, and is raised when the block is left.

    For work that may be left at any moment, such as waiting for batches.
    """
    task, ends = asyncio.current_task(), list[BaseException]()

    def stop(end: BaseException) -> None:
        ends.append(end)
        if task is not None:
            task.cancel()

    with on_stop(stop):
        try:
            yield
        except asyncio.CancelledError:
            if ends:
                raise ends[0] from None
            raise


def signal_text(end: SystemExit) -> str:
    """What ended a run that ends like this: "SIGTERM asked the process to end"."""
    numbers = {_SHELL + number: number.name for number in signal.Signals}
    name = numbers.get(end.code) if isinstance(end.code, int) else None
    return f"{name or 'a signal'} asked the process to end"
