"""The exit codes of `kaizen-batch`, defined in one place."""

from enum import IntEnum

import click


class Exit(IntEnum):
    """What a command's exit code means."""

    OK = 0
    FAILED = 1
    USAGE = 2  # click's own
    SOME_FAILED = 3
    STOPPED = 4
    WAITING = 5
    HANGUP = 129
    INTERRUPTED = 130
    QUIT = 131
    TERMINATED = 143


_MEANINGS = {
    Exit.OK: "all rows are done",
    Exit.FAILED: "it could not start or continue; one line says why and how to fix it",
    Exit.USAGE: "wrong use of the command line",
    Exit.SOME_FAILED: "done, but some rows failed",
    Exit.STOPPED: "ended early: budget, quota, deadline, rejected key, unknown model, or dead endpoint",
    Exit.WAITING: "rows wait in batches of the provider; the same command collects their answers",
    Exit.HANGUP: "SIGHUP: the terminal was closed",
    Exit.INTERRUPTED: "Ctrl-C",
    Exit.QUIT: "SIGQUIT",
    Exit.TERMINATED: "SIGTERM",
}

EXIT_CODES = "\b\nExit codes:\n" + "\n".join(f"  {code:<5d}{meaning}" for code, meaning in _MEANINGS.items())
"""The codes and their meanings, as the end of a help text; the first line keeps click from filling it."""


def write_exit_codes(formatter: click.HelpFormatter) -> None:
    """Write them as a list, which narrow terminals get broken between words."""
    with formatter.section("Exit codes"):
        formatter.write_dl([(f"{code:<3d}", meaning) for code, meaning in _MEANINGS.items()])
