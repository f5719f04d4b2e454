"""A namespace of its own, with no network but the loopback interface, to which Ray binds its ports, and no processes.

Whatever Ray leaves behind, and however the test ends, all of its processes end with it.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_LOOPBACK = """
import fcntl, os, socket, struct, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plain:
    fcntl.ioctl(plain, 0x8914, struct.pack("16sh", b"lo", 0x1 | 0x40))
process = os.fork()
if not process:
    os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
ended, status = os.wait()  # the first process of a namespace inherits all orphans
while ended != process:
    ended, status = os.wait()
sys.exit(os.waitstatus_to_exitcode(status))
"""


def installed(library: str) -> None:
    """Skip the test without this library, unless REQUIRE_DISTRIBUTED is set."""
    try:
        __import__(library)
    except ImportError:
        give_up(f"{library} is not installed: run .ci/distributed")


def needed(library: str) -> None:
    """The same, and the right to make a namespace."""
    installed(library)
    if shutil.which("unshare") is None or os.geteuid():
        give_up("a network namespace needs unshare, and root")


def give_up(missing: str) -> None:
    """Skip the test, unless REQUIRE_DISTRIBUTED is set."""
    if os.environ.get("REQUIRE_DISTRIBUTED"):
        pytest.fail(missing)
    pytest.skip(missing)


def run_alone(*arguments: str, timeout_s: float) -> str:
    """Run Python with these arguments in a namespace of its own; what it printed."""
    alone = ("--net", "--pid", "--fork", "--kill-child", "--mount-proc")
    command = ["unshare", *alone, sys.executable, "-c", _LOOPBACK, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=timeout_s)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-3000:]}"
    return done.stdout
