"""The command line as a user has it, in a temporary folder, and a journal that a run has left."""

import asyncio
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest
from click.testing import CliRunner, Result

from kaizen_batch import BatchConfig, ParallelBatchStrategy
from kaizen_batch.agents import create_agent
from kaizen_batch.commands.main import main
from kaizen_batch.simulator import Simulator
from tests.commands.tables import ROWS, write_csv

Cli: TypeAlias = Callable[..., Result]

TWO_ROWS = "id,text\n1,a\n2,b\n"
RUN = ("run", "tickets.csv", "--prompt", "Classify: {text}", "--output", "labels.csv")
"""A run over the file that the fixture `wrong` writes."""

# A shell starts background jobs with SIGINT ignored, and the tests may be such a job.
HEEDS_CTRL_C = [
    sys.executable,
    "-c",
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from kaizen_batch.commands.main import main; main(prog_name='kaizen-batch')",
]
"""The command in a separate process that responds to Ctrl-C."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which is the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def cli(folder: Path) -> Cli:
    """Run a command; `input` is its standard input."""

    def give(*arguments: str, input: str | None = None, env: dict[str, str] | None = None) -> Result:
        return CliRunner().invoke(main, list(arguments), input=input, env=env)

    return give


@pytest.fixture
def journal(folder: Path) -> Path:
    """The journal of a run on the mock: 8 requests answered, 2 failed."""
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


@pytest.fixture
def wrong(cli: Cli, folder: Path) -> Callable[..., str]:
    """Run a command that must not start, and return its error line."""
    (folder / "tickets.csv").write_text(TWO_ROWS, encoding="utf-8")

    def give(*arguments: str, code: int = 1, env: dict[str, str] | None = None) -> str:
        before = {path: path.read_bytes() for path in folder.iterdir()}
        with Simulator() as simulator:
            result = cli(*arguments, env={"OPENAI_BASE_URL": simulator.base_url, **(env or {})})
            assert simulator.ledger.calls == 0
        assert result.exit_code == code, result.output
        assert result.stdout == "" and "Traceback" not in result.stderr
        assert {path: path.read_bytes() for path in folder.iterdir()} == before
        [line] = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
        assert result.stderr.endswith(line + "\n")
        return line

    return give


@pytest.fixture
def tickets(folder: Path) -> Path:
    """A file of twenty rows, some with line breaks."""
    return write_csv(folder / "tickets.csv", ROWS)


@pytest.fixture
def simulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    """A simulator with prices, which is the endpoint of the commands."""
    with Simulator(price_input=1.0, price_output=1.0) as simulator:
        monkeypatch.setenv("OPENAI_BASE_URL", simulator.base_url)
        yield simulator
