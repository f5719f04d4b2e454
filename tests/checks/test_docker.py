"""The Dockerfile: not root, and installed from wheels alone, as `.ci/offline-install` does without Docker.

That script reads the commands from the Dockerfile, so the two cannot drift apart.
"""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
OFFLINE = ROOT / ".ci" / "offline-install"


def test_the_image_does_not_run_as_root() -> None:
    [user] = re.findall(r"^USER (\w+)$", DOCKERFILE, re.MULTILINE)
    assert user != "root" and f"useradd --create-home --uid 1000 {user}" in DOCKERFILE
    assert DOCKERFILE.index(f"USER {user}") < DOCKERFILE.index("ENTRYPOINT")


def test_the_script_runs_every_command_of_the_dockerfile() -> None:
    listed = subprocess.run([sys.executable, OFFLINE, "--list"], capture_output=True, text=True, timeout=60, check=True)
    lines = listed.stdout.splitlines()
    commands = [re.sub(r"^--mount=\S+\s+", "", text) for text in instructions("RUN")]
    assert len(commands) == 3
    for command in commands:
        words = [word for word in shlex.split(command) if not word.startswith("/")]
        assert any(all(word in shlex.split(line) for word in words) for line in lines), command
    [entry], [default] = instructions("ENTRYPOINT"), instructions("CMD")
    assert any(shlex.split(line)[1:] == ["FOLDER/venv/bin/kaizen-batch", "--help"] for line in lines)
    assert (entry, default) == ('["kaizen-batch"]', '["--help"]')
    assert ".ci/offline-install" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("USER kaizen", "HEALTHCHECK CMD true", "an instruction that .ci/offline-install does not know"),
        ("RUN useradd", "RUN apt-get install", "a command that .ci/offline-install does not know"),
    ],
)
def test_the_script_refuses_what_it_does_not_know(old: str, new: str, said: str, tmp_path: Path) -> None:
    (tmp_path / ".ci").mkdir()
    shutil.copy(OFFLINE, tmp_path / ".ci")
    (tmp_path / "Dockerfile").write_text(DOCKERFILE.replace(old, new), encoding="utf-8")
    command = [sys.executable, str(tmp_path / ".ci" / "offline-install"), "--list"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, said in done.stderr) == (1, True)


def test_it_installs_from_wheels_alone() -> None:
    assert any("--no-index --find-links /wheels" in command for command in instructions("RUN"))


def instructions(name: str) -> list[str]:
    """The texts of the Dockerfile's instructions of this name."""
    lines = DOCKERFILE.replace("\\\n", " ").splitlines()
    return [" ".join(line.split()[1:]) for line in lines if line.startswith(f"{name} ")]
