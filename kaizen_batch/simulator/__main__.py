"""`python -m kaizen_batch.simulator`: the simulator in the foreground."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import Field, fields
from typing import Any

import click

from kaizen_batch.simulator.server import Simulator
from kaizen_batch.simulator.settings import Settings

# The settings are described in one place: the docstring of Settings.
_HELP: dict[str, str] = dict(re.findall(r"- `(\w+)`: (.+)", Settings.__doc__ or ""))
_OPTIONAL = {"int | None": click.IntRange(0), "float | None": click.FloatRange(0), "str | None": str}


def _option(spec: "Field[Any]") -> Callable[[Callable[..., None]], Callable[..., None]]:
    name, default = spec.name, spec.default
    given: dict[str, Any] = {}
    if name == "brownout":
        given = {"type": float, "nargs": 3, "metavar": "START END FACTOR"}
    elif default is None:
        given = {"type": _OPTIONAL[str(spec.type)]}
    elif isinstance(default, float):
        given = {"type": click.FloatRange(0, 1 if "rate_" in name else None)}
    flag = "--" + name.replace("_", "-")
    declaration = f"{flag}/--no-{flag[2:]}" if isinstance(default, bool) else flag
    return click.option(declaration, default=default, show_default=True, help=_HELP.get(name), **given)


def _options(command: Callable[..., None]) -> Callable[..., None]:
    for spec in reversed(fields(Settings)):
        command = _option(spec)(command)
    return command


@click.command("simulator")
@click.option(
    "--port", default=0, type=click.IntRange(0, 65535), show_default=True, help="Port on 127.0.0.1; 0: a free one."
)
@_options
def main(port: int, **options: Any) -> None:
    """An OpenAI-compatible endpoint on 127.0.0.1 with made-up answers, for tests and demos."""
    try:
        simulator = Simulator(port=port, **options)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    try:
        asyncio.run(simulator.serve(lambda: click.echo(f"OPENAI_BASE_URL={simulator.base_url}")))
    except KeyboardInterrupt:
        pass
    except OSError as error:
        in_use = f"cannot listen on port {port}: {error.strerror}; --port 0 takes a free one"
        raise click.ClickException(f"{error.filename}: {error.strerror}" if error.filename else in_use) from None


if __name__ == "__main__":
    main()
