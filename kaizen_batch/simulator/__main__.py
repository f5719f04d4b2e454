"""`python -m kaizen_batch.simulator`: the simulator in the foreground."""

import asyncio
import errno
import re
from collections.abc import Callable
from dataclasses import Field, fields
from typing import Any

import click

from kaizen_batch.simulator.server import Simulator
from kaizen_batch.simulator.settings import Settings

PORT = 8642
"""Where the simulator listens unless it is told otherwise, so that a run can be resumed after its restart."""

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
    "--port",
    type=click.IntRange(0, 65535),
    help=f"Port on 127.0.0.1; 0: a free one.  [default: {PORT}, or a free one if that is taken]",
)
@_options
def main(port: int | None, **options: Any) -> None:
    """An OpenAI-compatible endpoint on 127.0.0.1 with made-up answers, for tests and demos."""
    try:
        if port is not None or not _served(PORT, options):
            _serve(port or 0, options)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    except KeyboardInterrupt:
        pass
    except OSError as error:
        in_use = f"cannot listen on port {port}: {error.strerror}; --port 0 takes a free one"
        raise click.ClickException(f"{error.filename}: {error.strerror}" if error.filename else in_use) from None


def _served(port: int, options: dict[str, Any]) -> bool:
    """Serve to the end; False if the port is taken."""
    try:
        _serve(port, options)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        click.echo(f"port {port} is taken: a free one is used instead", err=True)
        return False
    return True


def _serve(port: int, options: dict[str, Any]) -> None:
    simulator = Simulator(port=port, **options)
    asyncio.run(simulator.serve(lambda: click.echo(f"OPENAI_BASE_URL={simulator.base_url}")))


if __name__ == "__main__":
    main()
