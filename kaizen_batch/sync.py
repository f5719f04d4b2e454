"""The one bridge from synchronous code into a coroutine."""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


def run_sync(call: Callable[[], Awaitable[T]]) -> T:
    """Run `await call()` to its end and return its result, from any thread, also inside a running loop.

    Inside a running loop (Jupyter, a web handler) it runs in a thread of its own, with the caller's context
    variables, and blocks the caller's loop meanwhile. Ctrl-C cancels the coroutine before it is passed on.
    """

    async def main() -> T:
        return await call()

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(main())
    from anyio.from_thread import start_blocking_portal  # needed inside a running loop only

    context = contextvars.copy_context()
    with start_blocking_portal() as portal:
        return portal.call(lambda: asyncio.get_running_loop().create_task(main(), context=context))
