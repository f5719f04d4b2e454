"""The Dockerfile: not root, and installed from wheels alone, as `.ci/offline-install` does without Docker."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
OFFLINE = (ROOT / ".ci" / "offline-install").read_text(encoding="utf-8")


def test_the_image_does_not_run_as_root() -> None:
    [user] = re.findall(r"^USER (\w+)$", DOCKERFILE, re.MULTILINE)
    assert user != "root" and f"useradd --create-home --uid 1000 {user}" in DOCKERFILE
    assert DOCKERFILE.index(f"USER {user}") < DOCKERFILE.index("ENTRYPOINT")


def test_it_installs_what_the_script_installs_and_from_wheels_alone() -> None:
    for text in (DOCKERFILE, OFFLINE):
        assert re.search(r"pip wheel .*'\.\[parquet,report\]'", text)
        assert re.search(r"--no-index --find-links \S*wheels\S* 'kaizen-batch\[parquet,report\]'", text)
    assert ".ci/offline-install" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
