"""The lock file: releases that pyproject.toml allows, the hash of every file; and its audit."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
LOCK = (ROOT / "requirements" / "dev.lock").read_text(encoding="utf-8")
ENTRIES = re.findall(r"^(?=\w)(\S.*?) \\\n((?:    --hash=.*\n?)+)", LOCK, re.MULTILINE)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
UNREACHABLE = "http://127.0.0.1:9"


def required() -> list[Requirement]:
    """What the package and its extra `dev` need, other extras of it included."""
    extras, found, waiting = PROJECT["optional-dependencies"], [], [*PROJECT["dependencies"]]
    waiting += extras["dev"]
    while waiting:
        needed = Requirement(waiting.pop())
        if canonicalize_name(needed.name) == PROJECT["name"]:
            waiting += [text for extra in needed.extras for text in extras[extra]]
        else:
            found.append(needed)
    return found


def test_every_requirement_is_locked_in_a_release_that_it_allows() -> None:
    locked = [Requirement(text) for text, _ in ENTRIES]
    versions: dict[str, list[str]] = {}
    for entry in locked:
        [pinned] = entry.specifier
        assert pinned.operator == "==", entry
        versions.setdefault(canonicalize_name(entry.name), []).append(pinned.version)
    assert len(versions) > 100
    for needed in required():
        found = versions.get(canonicalize_name(needed.name), [])
        assert found and all(needed.specifier.contains(version) for version in found), f"make lock: {needed}"


def test_every_release_has_the_hashes_of_its_files_and_no_other_source() -> None:
    assert len(ENTRIES) == len(re.findall(r"^\w", LOCK, re.MULTILINE))
    for text, hashes in ENTRIES:
        assert re.fullmatch(r"(    --hash=sha256:[0-9a-f]{64}( \\)?\n?)+", hashes), text
    assert "://" not in LOCK and "--index" not in LOCK


def test_the_audit_says_when_it_could_ask_nobody() -> None:
    pytest.importorskip("pip_audit")
    environment = {**os.environ, "https_proxy": UNREACHABLE, "HTTPS_PROXY": UNREACHABLE}
    command = ["bash", ".ci/audit", sys.executable]
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr.startswith("audit: no vulnerability database could be reached, so nothing was checked: ")
    assert ended.stdout == "" and ended.stderr.count("\n") == 1


def test_a_machine_without_the_locked_releases_goes_on_and_says_so() -> None:
    environment = {**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/nowhere", "PIP_IGNORE_INSTALLED": "1"}
    environment["PIP_DRY_RUN"] = "1"
    command = ["bash", ".ci/install-locked", sys.executable]
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0
    assert "not all locked releases can be installed here" in ended.stderr
