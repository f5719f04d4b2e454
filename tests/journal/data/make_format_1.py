"""How the journals of format 1 in this folder were made, with the last release that wrote that format.

    python make_format_1.py FOLDER

Run it with an installation of that release, not with the package beside it: `tests/journal/test_migration.py` shows
that a later release replays these files without a call.
"""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from kaizen_batch import (
    BatchConfig,
    Completion,
    ParallelBatchStrategy,
    Provider,
    RetryPolicy,
    Usage,
)
from kaizen_batch.agents import create_agent
from kaizen_batch.errors import BadRequestError, NoAnswerError
from kaizen_batch.simulator import Simulator

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from format_1 import BodyAgent, Brief, Ticket, TopK, half, label  # noqa: E402

ITEMS = [f"item {number}" for number in range(6)]
QUICK = RetryPolicy(attempts=2, wait_initial=0.01, wait_max=0.02)
PORT = 18765


async def run(folder: Path, name: str, items: list[Any], signature: Any = None, provider: Any = None, **options: Any):
    given = {"journal": folder / f"{name}.db", "api_key": "sk-none", "retry": QUICK, "max_concurrent": 3, **options}
    config = BatchConfig(**given)
    agent = create_agent(config, signature, provider)
    return await ParallelBatchStrategy.from_config(config).run_batch(agent, items)


class Cut(Provider):
    """Answers that are cut off at max_tokens, as `{"request"}` of them are."""

    async def complete(self, request: Any) -> Completion:
        return Completion(text=request.prompt[:4], usage=Usage(5, request.max_tokens), finish_reason="length")


class Fails(Provider):
    """One kind of failure for each item."""

    async def complete(self, request: Any) -> Completion:
        number = int(request.prompt.split()[-1])
        if number == 0:
            raise BadRequestError("no", code="invalid_value", status=400)
        if number == 1:
            raise NoAnswerError("torn", code="connection")
        if number == 2:
            return Completion(text="", usage=Usage(3, 0), refusal="I will not")
        if number == 3:
            return Completion(text="half", usage=Usage(3, 4), finish_reason="content_filter")
        if number == 4:
            return Completion(text="", usage=Usage(3, 0))
        return Completion(text="right", usage=Usage(3, 1))


class Down(Provider):
    """The first of two endpoints; it refuses every second item."""

    async def complete(self, request: Any) -> Completion:
        if int(request.prompt.split()[-1]) % 2:
            raise BadRequestError("not that one", status=400)
        return Completion(text="from the first", usage=Usage(3, 1))


def served(endpoint: str, cls: type[Provider]) -> Provider:
    provider = type(cls.__name__, (cls,), {"endpoint": property(lambda self: endpoint)})()
    return provider


async def main(folder: Path) -> None:
    price = {"input": 1.0, "output": 2.0}
    with Simulator(port=PORT, price_input=1.0, price_output=2.0) as simulator:
        openai: dict[str, Any] = {"base_url": simulator.base_url, "price": price}
        await run(folder, "openai", [*ITEMS, ITEMS[0], "漢字 😀 é \n\t\x01 \x7f"], **openai)
        await run(folder, "schema", ITEMS, Ticket, system_prompt="Be brief.", **openai)
        await run(folder, "reasoning", ITEMS, model="o3-mini", **openai)
        await run(folder, "learned", ITEMS, model="strict-model", max_concurrent=1, **openai)
        # The same questions under two limits: two rows each in format 1.
        await run(folder, "two_limits", ITEMS[:4], max_tokens=200, **openai)
        await run(folder, "two_limits", ITEMS, max_tokens=300, temperature=None, **openai)
        await run(folder, "two_limits", ITEMS, max_tokens=300, **openai)
        await run(folder, "surrogates", ["half a pair \udcff", "whole"], **openai)
    await run(folder, "mock", ITEMS, llm_provider="mock")
    await run(folder, "mock_schema", ITEMS, Brief, llm_provider="mock")
    fallbacks = [{"llm_provider": "mock", "model": "second"}]
    await run(folder, "fallbacks", ITEMS, provider=served("format-1:down", Down), fallbacks=fallbacks, price=price)
    await run(folder, "failures", ITEMS, provider=served("format-1:fails", Fails), price=price)
    await run(folder, "cut", ITEMS, provider=served("format-1:cut", Cut), max_tokens=5, price=price)
    await run(folder, "own_body", ITEMS, provider=TopK(7), price=price)
    strategy = ParallelBatchStrategy(3, journal=folder / "functions.db")
    arguments = [
        {"text": "a", "weight": 1},
        {"text": "a", "weight": 1.0},
        {"text": "ü 😀", "weight": [1e300, {"b": 1, "a": None}]},
    ]
    await strategy.run_batch(label, [*arguments, {"text": "z", "weight": {"10": 1, "9": True}}])
    await ParallelBatchStrategy(3, journal=folder / "one_argument.db").run_batch(half, [1, 2.0, "3", [4]])
    await ParallelBatchStrategy(3, journal=folder / "own_agent.db").run_batch(BodyAgent(), ITEMS)


def killed(folder: Path) -> None:
    """A run over HTTP that is killed while calls are in flight; its files as the kill left them."""
    simulator = subprocess.Popen(
        [sys.executable, "-m", "kaizen_batch.simulator", "--port", str(PORT + 1), "--latency-s", "0.05"],
        stdout=subprocess.PIPE,
    )
    assert simulator.stdout is not None
    simulator.stdout.readline()
    source = (
        "import asyncio, sys\nfrom kaizen_batch import BatchConfig, ParallelBatchStrategy\n"
        "from kaizen_batch.agents import create_agent\n"
        f"config = BatchConfig(base_url='http://127.0.0.1:{PORT + 1}/v1', api_key='sk-none', max_concurrent=3,"
        " journal=sys.argv[1], price={'input': 1.0, 'output': 2.0})\n"
        "strategy, items = ParallelBatchStrategy.from_config(config), [f'item {n}' for n in range(400)]\n"
        "asyncio.run(strategy.run_batch(create_agent(config), items))"
    )
    path = folder / "killed.db"
    worker = subprocess.Popen([sys.executable, "-c", source, str(path)])
    import time

    time.sleep(1.0)
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait()
    simulator.kill()
    simulator.wait()


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    asyncio.run(main(folder))
    killed(folder)
    for lock in folder.glob("*.lock"):
        lock.unlink()
    for left in folder.glob("*-shm"):
        left.unlink()
    shutil.rmtree(folder / "__pycache__", ignore_errors=True)
