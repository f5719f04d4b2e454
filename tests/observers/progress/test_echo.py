"""A terminal that does not print ^C into a progress bar, and is afterwards as it was."""

import io
import os
import pty
import termios

from kaizen_batch.observers.progress.echo import without_control_echo


def test_a_stream_that_is_no_terminal_is_left_alone() -> None:
    without_control_echo(io.StringIO()).close()
    with open(os.devnull, "w") as null:  # noqa: PTH123
        without_control_echo(null).close()


def test_a_terminal_of_another_session_is_left_alone() -> None:
    master, slave = pty.openpty()
    try:
        before = termios.tcgetattr(slave)
        with os.fdopen(os.dup(slave), "w") as stream, without_control_echo(stream):
            assert termios.tcgetattr(slave) == before
    finally:
        os.close(master)
        os.close(slave)
