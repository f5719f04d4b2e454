"""The pytest fixture: a running simulator without faults, for one test, in a project that only registers the plugin."""

import subprocess
import sys
from pathlib import Path

CONFTEST = 'pytest_plugins = ["kaizen_batch.simulator.fixture"]\n'
TESTS = """
from kaizen_batch import BatchProcessorAgent

def test_one(simulator):
    agent = BatchProcessorAgent(base_url=simulator.base_url, api_key="any")
    assert agent.process_single("hello")["status"] == "ok"
    assert simulator.ledger.billed == 1

def test_each_test_has_its_own(simulator):
    assert simulator.ledger.calls == 0
"""


def test_the_plugin_provides_a_simulator_for_each_test(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_example.py").write_text(TESTS)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(tmp_path),
        str(tmp_path),
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout
