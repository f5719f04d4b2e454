"""The proof of `python -m tests.files.big_job` in small."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from Linux's /proc")
def test_a_job_killed_in_the_middle_goes_on_and_is_right_in_bounded_memory() -> None:
    command = [sys.executable, "-m", "tests.files.big_job", "--rows", "6000", "--limit-mb", "200"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0 and "held:" in done.stdout, done.stdout + done.stderr
