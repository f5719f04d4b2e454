"""A terminal that does not print `^C` into a progress bar."""

import os
from contextlib import ExitStack, suppress
from typing import IO


def without_control_echo(stream: IO[str]) -> ExitStack:
    """Stop a terminal from echoing control characters as `^C`, until the stack is closed.

    Does nothing for a stream that is no terminal, for a background job (the system would stop it for touching the
    terminal), and on systems without termios.
    """
    stack = ExitStack()
    with suppress(ImportError, OSError, ValueError):  # ValueError: a stream without a file descriptor
        import termios

        number = stream.fileno()
        if not os.isatty(number) or os.tcgetpgrp(number) != os.getpgrp():
            return stack
        before = termios.tcgetattr(number)
        quiet = list(before)
        quiet[3] = before[3] & ~termios.ECHOCTL
        with suppress(termios.error):
            termios.tcsetattr(number, termios.TCSANOW, quiet)
            stack.callback(termios.tcsetattr, number, termios.TCSANOW, before)
    return stack
