"""Machine instructions of an item: `python -m benchmarks.instructions [--base PATH] [--only function,model]`.

CPU time depends on what else the machine does; the number of instructions does not. valgrind (cachegrind) counts those
of two processes, of few items and of many; what a program needs to start cancels out. With `--base` the same arms run
on another checkout. It takes a minute for each arm and checkout, and repeats to about 1%.
"""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks import ours
from kaizen_batch import BatchConfig, BatchProcessorAgent, ParallelBatchStrategy
from kaizen_batch.agents import create_agent

FEW, MANY = 1_000, 9_000
AT_ONCE = 50
ROOT = Path(__file__).parents[1]


async def _function(items: int, url: str) -> None:
    """An async function that does nothing."""
    await ours.function(items, at_once=AT_ONCE)


async def _model(items: int, url: str) -> None:
    """A signature and a provider that does nothing."""
    await ours.model(items, at_once=AT_ONCE)


def _limits() -> dict[str, Any]:
    return {name: value for name, value in ours.safety(None).items() if name != "journal"}


async def _limited(items: int, url: str) -> None:
    """The same with both rates and a budget, none of which is ever reached."""
    config = BatchConfig(llm_provider="mock", max_concurrent=AT_ONCE, **_limits())
    await ours.stream(create_agent(config, provider=ours.NoOp()), config, items)


def _rows(items: int) -> list[dict[str, str]]:
    return [{"prompt": f"text {number}"} for number in range(items)]


async def _strategy(items: int, url: str) -> None:
    """A list through `ParallelBatchStrategy.execute_batch` with the engine's own agent."""
    config = BatchConfig(llm_provider="mock", max_concurrent=AT_ONCE)
    agent = create_agent(config, provider=ours.NoOp())
    await ParallelBatchStrategy.from_config(config).execute_batch(agent, _rows(items))


async def _agent(items: int, url: str) -> None:
    """The same list through `BatchProcessorAgent.process_batch`."""
    await BatchProcessorAgent(provider=ours.NoOp(), max_concurrent=AT_ONCE).process_batch(_rows(items))


async def _http(items: int, url: str) -> None:
    """Over HTTP, from an endpoint without latency."""
    await ours.batch(items, url=url, at_once=AT_ONCE)


async def _http_limited(items: int, url: str) -> None:
    """Over HTTP, with both rates and a budget."""
    await ours.batch(items, url=url, at_once=AT_ONCE, **_limits())


async def _http_bare(items: int, url: str) -> None:
    """The HTTP client without the engine."""
    await ours.client(items, url=url, at_once=AT_ONCE)


ARMS: dict[str, Callable[[int, str], Awaitable[None]]] = {
    "function": _function,
    "model": _model,
    "limits": _limited,
    "strategy": _strategy,
    "agent": _agent,
    "http": _http,
    "http-limits": _http_limited,
    "http-bare": _http_bare,
}


def counted(arm: str, items: int, root: Path, url: str) -> int:
    """Instructions of a process that does so many items with the checkout at `root`."""
    command = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]
    ended = subprocess.run(
        [*command, sys.executable, __file__, arm, str(items), url],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root), "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.search(r"I\s+refs:\s+([\d,]+)", ended.stderr)
    assert found is not None, ended.stderr
    return int(found[1].replace(",", ""))


def of_an_item(arm: str, root: Path, url: str) -> float:
    """Instructions of one item, without those of the start."""
    counted(arm, 10, root, url)  # compiles the modules
    return (counted(arm, MANY, root, url) - counted(arm, FEW, root, url)) / (MANY - FEW)


def main() -> None:
    """Count, and print one line for each arm."""
    import click

    from benchmarks.harness import endpoint

    @click.command("instructions")
    @click.option("--base", type=click.Path(exists=True, file_okay=False, resolve_path=True, path_type=Path))
    @click.option("--only", default=",".join(ARMS), show_default=True, metavar="A,B", help="Only these arms.")
    def command(base: Path | None, only: str) -> None:
        names = only.split(",")
        if unknown := set(names) - ARMS.keys():
            raise click.BadParameter(f"no arm {min(unknown)!r}: the arms are {', '.join(ARMS)}")
        with ExitStack() as stack:
            url = stack.enter_context(endpoint(latency_s=0.0)) if any(n.startswith("http") for n in names) else "-"
            for name in names:
                ours = of_an_item(name, ROOT, url)
                line = f"{name:12} {ours:9,.0f}"
                if base is not None:
                    theirs = of_an_item(name, base, url)
                    line += f"   base {theirs:9,.0f}   ratio {ours / theirs:.3f}"
                print(line, flush=True)

    command()


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[1] in ARMS:
        asyncio.run(ARMS[sys.argv[1]](int(sys.argv[2]), sys.argv[3]))  # type: ignore[arg-type]
    else:
        main()
