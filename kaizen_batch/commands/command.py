"""What the commands share: options from flags, environment and file; errors in one line; words for people."""

import json
import logging
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import click

from kaizen_batch.commands.config_file import read_options
from kaizen_batch.commands.exit_codes import Exit
from kaizen_batch.errors import KaizenBatchError

F = TypeVar("F", bound=Callable[..., Any])

_FLAGS = (
    (r"or pass api_key=\.\.\.; base_url=\.\.\. for", "or give --base-url for"),
    (r'or try llm_provider="mock"', "or try --provider mock"),
    (r"\bencoding='([^']+)'", r"--encoding \1"),
    (r'price=\{"input": \.\.\., "output": \.\.\.\}, in USD', "--price IN OUT, in USD"),
    (r"\bjournal='([^']+)'", r"--journal \1"),
    (r"\bjournal=\.\.\.", "--journal"),
    (r"\bbudget_usd\b", "--budget"),
    (r"\bllm_provider\b", "--provider"),
    (r"\brequests_per_minute\b", "--rpm"),
    (r"\btokens_per_minute\b", "--tpm"),
)
_ARGUMENTS = "kaizen_batch.arguments"
_CONFIG_FILE = "kaizen_batch.config_file"
_KEY_FLAGS = ("--api-key", "--api_key", "--apikey", "--key", "--openai-api-key", "--token")


class Command(click.Command):
    """A command whose options can come from KAIZEN_* variables too, and whose errors are one line.

    Flags win over the environment, the environment over `--config`. With `passes_on` unknown options are arguments,
    for another command.
    """

    def __init__(self, *args: Any, passes_on: bool = False, **options: Any) -> None:
        settings = {"auto_envvar_prefix": "KAIZEN", "max_content_width": 100, "ignore_unknown_options": passes_on}
        options["context_settings"] = settings
        super().__init__(*args, **options)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """click: as it does, and keys are refused with the reason."""
        ctx.meta[_ARGUMENTS] = list(args)
        with in_one_line():
            try:
                return super().parse_args(ctx, args)
            except click.NoSuchOption as error:
                if error.option_name not in _KEY_FLAGS:
                    raise
        raise click.UsageError(
            "a key does not belong on a command line, where other users and the shell's history see it:"
            " set the environment variable OPENAI_API_KEY",
            ctx,
        )

    def invoke(self, ctx: click.Context) -> Any:
        """click: as it does, and an error of ours is one line."""
        with in_one_line():
            try:
                return super().invoke(ctx)
            except KeyboardInterrupt:
                tell("stopped")
                ctx.exit(Exit.INTERRUPTED)


@contextmanager
def in_one_line() -> Iterator[None]:
    """Inside it, an error of this package or of the system ends the command with one line."""
    try:
        yield
    except KaizenBatchError as error:
        raise click.ClickException(in_flags(error.message)) from error
    except BrokenPipeError:
        raise  # click's own: whoever read our output has left
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise click.ClickException(f"{where}{error.strerror or error}") from error


def in_flags(message: str) -> str:
    """What the engine says to who writes Python, for who types a command.

    >>> in_flags("pass encoding='cp1252', or raise budget_usd")
    'pass --encoding cp1252, or raise --budget'
    """
    for python, flags in _FLAGS:
        message = re.sub(python, flags, message)
    return message


def value_of(ctx: click.Context, name: str) -> Any:
    """What an option was given; that of `--config` is no parameter of the command's function."""
    return ctx.params[name] if name in ctx.params else ctx.meta.get(_CONFIG_FILE)


@contextmanager
def own_words() -> Iterator[None]:
    """The engine's own line on a run that ended early stays out: what it says is said here, for this command."""
    log = logging.getLogger("kaizen_batch.engine.supervisor")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)


def arguments_of(ctx: click.Context) -> list[str]:
    """What the command line said after the command's name."""
    return list(ctx.meta[_ARGUMENTS])


def config_option(*, also: tuple[str, ...] = ()) -> Callable[[F], F]:
    """`--config run.toml`; keys in `also` belong to other commands and are passed over."""

    def load(ctx: click.Context, _: click.Parameter, path: Path | None) -> None:
        if path is not None:
            ctx.meta[_CONFIG_FILE] = path
            ctx.default_map = {**(ctx.default_map or {}), **read_options(path, ctx.command, also=also)}

    return click.option(
        "--config",
        type=click.Path(path_type=Path),
        is_eager=True,
        expose_value=False,
        callback=load,
        metavar="FILE",
        help="TOML file with the same options by their long names; flags and KAIZEN_* variables win over it.",
    )


def json_option(function: F) -> F:
    """The option `--json`, as a decorator."""
    option = click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output, for programs.")
    return option(function)


def tell(text: str) -> None:
    """Talk: to standard error, since standard output may be the result."""
    click.echo(text, err=True)


def put_json(value: Any) -> None:
    """One JSON object on standard output."""
    json.dump(value, sys.stdout, ensure_ascii=False)
    sys.stdout.write("\n")


def usd(amount: float | None) -> str:
    """Money for people: cents, or where there are none the first two digits that there are.

    >>> usd(1234.5), usd(0.0000871)
    ('1,234.50 USD', '0.000087 USD')
    """
    if amount is None:
        return "unknown"
    return f"{amount:,.2f} USD" if amount >= 0.1 or amount == 0 else f"{Decimal(f'{amount:.2g}'):f} USD"


def duration(seconds: float) -> str:
    """Seconds for people.

    >>> duration(0.25), duration(75), duration(7_300)
    ('0.2 s', '1 min 15 s', '2 h 1 min')
    """
    if seconds < 59.5:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,} h {minutes} min"
