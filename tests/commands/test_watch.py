"""watch: the page is served until Ctrl-C."""

import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

from tests.commands.conftest import HEEDS_CTRL_C
from tests.trust.kill_processes import ROOT


def test_watch_serves_until_ctrl_c(journal: Path) -> None:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]), "PYTHONUNBUFFERED": "1"}
    command = [*HEEDS_CTRL_C, "watch", str(journal)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().split()[2]
            with urllib.request.urlopen(url) as page:
                assert page.status == 200
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 0
        finally:
            process.kill()
