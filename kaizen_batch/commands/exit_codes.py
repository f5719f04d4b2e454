"""The exit codes of `kaizen-batch`: the one place where they stand."""

from enum import IntEnum


class Exit(IntEnum):
    """What a command's exit code says."""

    OK = 0
    FAILED = 1
    USAGE = 2  # click's own
    SOME_FAILED = 3
    STOPPED = 4
    INTERRUPTED = 130
    TERMINATED = 143


_MEANINGS = {
    Exit.OK: "all rows are done",
    Exit.FAILED: "it could not start, or could not go on; one line says why and how to mend it",
    Exit.USAGE: "wrong use of the command line",
    Exit.SOME_FAILED: "done, but some rows failed",
    Exit.STOPPED: "stopped early: the budget, the quota, the deadline, a refused key, a dead endpoint",
    Exit.INTERRUPTED: "Ctrl-C",
    Exit.TERMINATED: "SIGTERM",
}

EXIT_CODES = "\b\nExit codes:\n" + "\n".join(f"  {code:<5d}{meaning}" for code, meaning in _MEANINGS.items())
"""The codes and their meanings, as the end of a help text; the first line keeps click from filling it."""
