"""No test waits for ever: one that takes longer than LIMIT_S fails, with the place where it waits.

An alarm interrupts whatever the main thread does: a join, a wait for a process, a read of a pipe. It rings again while
the test still waits, such as at the end of a `with subprocess.Popen` block.
"""

import signal
from collections.abc import Generator, Iterator
from contextlib import contextmanager

import pytest

LIMIT_S = 400.0
AGAIN_S = 20.0


@contextmanager
def limited(seconds: float, again_s: float = AGAIN_S) -> Iterator[None]:
    """Fail what takes longer, also inside of code that catches every Exception. Nothing where there is no SIGALRM."""
    if not hasattr(signal, "SIGALRM"):
        yield
        return

    def ring(number: int, frame: object) -> None:
        pytest.fail(f"the test has not ended after {seconds:g} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds, again_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    """pytest: the fixtures of a test."""
    with limited(LIMIT_S):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """pytest: the test itself."""
    with limited(LIMIT_S):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    """pytest: the end of its fixtures."""
    with limited(LIMIT_S):
        return (yield)
