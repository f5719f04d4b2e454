"""`python -m kaizen_batch.simulator`: the simulator in the foreground."""

import asyncio
from typing import Any

import click

from kaizen_batch.simulator.server import Simulator

_SHARE = click.FloatRange(0, 1)


@click.command("simulator")
@click.option(
    "--port", default=0, type=click.IntRange(0, 65535), show_default=True, help="Port on 127.0.0.1; 0: a free one."
)
@click.option("--latency-s", default=0.0, type=click.FloatRange(0), show_default=True, help="Seconds for each call.")
@click.option("--latency-sigma", default=0.0, type=click.FloatRange(0), show_default=True, help="Spread (lognormal).")
@click.option("--rate-429", default=0.0, type=_SHARE, show_default=True, help="Share of calls answered with 429.")
@click.option("--rate-500", default=0.0, type=_SHARE, show_default=True, help="Share of calls answered with 500.")
@click.option("--rate-torn", default=0.0, type=_SHARE, show_default=True, help="Share of connections torn.")
@click.option("--rate-bad-json", default=0.0, type=_SHARE, show_default=True, help="Share of answers cut in half.")
@click.option("--api-key", default=None, help="The only key that is let in; default: any.")
@click.option("--seed", default=0, show_default=True, help="Seed of latencies and faults.")
def main(port: int, **options: Any) -> None:
    """An OpenAI-compatible endpoint on 127.0.0.1 that makes up its answers, for tests and demos."""
    simulator = Simulator(port=port, **options)
    try:
        asyncio.run(simulator.serve(lambda: click.echo(f"OPENAI_BASE_URL={simulator.base_url}")))
    except KeyboardInterrupt:
        pass
    except OSError as error:
        raise click.ClickException(
            f"cannot listen on port {port}: {error.strerror}; --port 0 takes a free one"
        ) from None


if __name__ == "__main__":
    main()
