"""`python -m kaizen_batch.simulator`: the simulator in the foreground."""

import asyncio
from contextlib import suppress
from typing import Any

import click

from kaizen_batch.simulator.server import Simulator


@click.command("simulator")
@click.option("--port", default=0, show_default=True, help="Port on 127.0.0.1; 0 takes a free one.")
@click.option("--latency-s", default=0.0, show_default=True, help="Seconds for each call.")
@click.option("--latency-sigma", default=0.0, show_default=True, help="Spread of a lognormal latency.")
@click.option("--rate-429", default=0.0, show_default=True, help="Share of calls answered with 429.")
@click.option("--rate-500", default=0.0, show_default=True, help="Share of calls answered with 500.")
@click.option("--rate-torn", default=0.0, show_default=True, help="Share of connections torn without an answer.")
@click.option("--rate-bad-json", default=0.0, show_default=True, help="Share of answers cut in half.")
@click.option("--api-key", default=None, help="The only key that is let in; default: any.")
@click.option("--seed", default=0, show_default=True, help="Seed of latencies and faults.")
def main(port: int, **options: Any) -> None:
    """An OpenAI-compatible endpoint on 127.0.0.1 that makes up its answers, for tests and demos."""
    simulator = Simulator(port=port, **options)

    async def serve() -> None:
        server = asyncio.create_task(simulator.serve())
        started = asyncio.create_task(asyncio.to_thread(simulator.wait_started))
        await asyncio.wait({server, started}, return_when=asyncio.FIRST_COMPLETED)
        if not server.done():
            click.echo(f"OPENAI_BASE_URL={simulator.base_url}")
        await server

    with suppress(KeyboardInterrupt):
        asyncio.run(serve())


if __name__ == "__main__":
    main()
