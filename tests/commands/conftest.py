"""The command line as a user has it, in a folder of its own, and a journal that a run has left."""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from click.testing import CliRunner, Result

from kaizen_batch import BatchConfig, ParallelBatchStrategy
from kaizen_batch.agents import create_agent
from kaizen_batch.commands.main import main

Cli: TypeAlias = Callable[..., Result]

# A shell starts its background jobs with SIGINT ignored, and the tests may be one.
HEEDS_CTRL_C = [
    sys.executable,
    "-c",
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from kaizen_batch.commands.main import main; main(prog_name='kaizen-batch')",
]
"""The command in a process of its own, to which Ctrl-C means something."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which is the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def cli(folder: Path) -> Cli:
    """Give a command; `input` is what stands on standard input."""

    def give(*arguments: str, input: str | None = None, env: dict[str, str] | None = None) -> Result:
        return CliRunner().invoke(main, list(arguments), input=input, env=env)

    return give


@pytest.fixture
def journal(folder: Path) -> Path:
    """The journal of a run on the mock: 8 questions answered, 2 failed."""
    path = folder / "run.db"
    config = BatchConfig(
        llm_provider="mock",
        journal=path,
        provider_options={"failures": {400: 0.2}, "seed": 3},
        max_concurrent=1,
        labels={"command": "kaizen-batch run x.csv --output y.csv"},
    )
    items = [f"question {number}" for number in range(10)]
    asyncio.run(ParallelBatchStrategy.from_config(config).run_batch(create_agent(config), items))
    return path
