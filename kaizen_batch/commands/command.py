"""What the commands share: options from flags, environment and file; one-line errors; output to people."""

import inspect
import json
import logging
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from kaizen_batch.commands.config_file import read_options
from kaizen_batch.commands.exit_codes import EXIT_CODES, Exit, write_exit_codes
from kaizen_batch.commands.flags import flagged
from kaizen_batch.errors import KaizenBatchError, did_you_mean
from kaizen_batch.results.texts.phrasing import phrasing
from kaizen_batch.results.texts.summary import Line
from kaizen_batch.results.texts.terminal import laid_out, printable, wrapped

F = TypeVar("F", bound=Callable[..., Any])

_ARGUMENTS = "kaizen_batch.arguments"
_CONFIG_FILE = "kaizen_batch.config_file"
_KEY_FLAGS = ("--api-key", "--api_key", "--apikey", "--key", "--openai-api-key", "--token")
_PREFIX = "KAIZEN"
_COMPLETION = "KAIZEN_BATCH_COMPLETE"


class Command(click.Command):
    """A command whose options can also come from KAIZEN_* variables, and whose errors are one line.

    Flags take precedence over the environment, the environment over `--config`. With `passes_on` unknown options are
    arguments, for another command.
    """

    def __init__(self, *args: Any, passes_on: bool = False, **options: Any) -> None:
        settings = {"auto_envvar_prefix": _PREFIX, "max_content_width": 100, "ignore_unknown_options": passes_on}
        options["context_settings"] = settings
        super().__init__(*args, **options)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """click: parse, and refuse keys with the reason."""
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

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """click: the exit codes as a list."""
        if self.epilog == EXIT_CODES:
            write_exit_codes(formatter)
        else:
            super().format_epilog(ctx, formatter)

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """click: the text, with examples that are broken between words and can be pasted."""
        text, self.help = self.help, _narrowed(self.help or "", formatter.width - 2)
        try:
            super().format_help_text(ctx, formatter)
        finally:
            self.help = text

    def invoke(self, ctx: click.Context) -> object:
        """click: invoke, with one line for each of our errors."""
        _warn_of_unknown_variables(self)
        with in_one_line(), phrasing(flagged):
            try:
                return super().invoke(ctx)
            except KeyboardInterrupt:
                say("stopped")
                ctx.exit(Exit.INTERRUPTED)


class WrappedError(click.ClickException):
    """An error in one line, which a terminal breaks between words."""

    def show(self, file: Any = None) -> None:
        """click: print it."""
        say(f"Error: {self.format_message()}")


class WrappedUsageError(click.UsageError):
    """The same for wrong use, with the usage before it."""

    def show(self, file: Any = None) -> None:
        """click: print it."""
        if self.ctx is not None:
            say(self.ctx.get_usage())
            say(f"Try '{self.ctx.command_path} --help' for help.\n")
        say(f"Error: {self.format_message()}")


@contextmanager
def in_one_line() -> Iterator[None]:
    """Inside it, an error of this package or of the system ends the command with one line."""
    try:
        yield
    except KaizenBatchError as error:
        raise WrappedError(in_flags(error.message)) from error
    except click.UsageError as error:
        raise WrappedUsageError(printable(error.format_message()), error.ctx) from error
    except BrokenPipeError:
        raise  # click's own: the reader of our output is gone
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise WrappedError(printable(f"{where}{error.strerror or error}")) from error


def in_flags(message: str) -> str:
    """A message of the library for the command line: its options as flags, and nothing that a terminal would obey.

    >>> in_flags("pass encoding='cp1252', or raise budget_usd")
    'pass --encoding cp1252, or raise --budget'
    """
    return printable(flagged(message))


def value_of(ctx: click.Context, name: str) -> object:
    """The value of an option; that of `--config` is no parameter of the command's function."""
    return ctx.params[name] if name in ctx.params else ctx.meta.get(_CONFIG_FILE)


@contextmanager
def without_log_line() -> Iterator[None]:
    """Suppress log lines on what the command says in its own terms: a run that ended early, notes on the input."""
    logs = [logging.getLogger(f"kaizen_batch.{name}") for name in ("engine.supervisor", "files.jobs")]
    before = [log.level for log in logs]
    for log in logs:
        log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for log, level in zip(logs, before, strict=True):
            log.setLevel(level)


def arguments_of(ctx: click.Context) -> list[str]:
    """The words on the command line after the command's name."""
    return list(ctx.meta[_ARGUMENTS])


def config_option(*, also: tuple[str, ...] = ()) -> Callable[[F], F]:
    """`--config run.toml`; keys in `also` belong to other commands and are skipped."""

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
        help="TOML file with the same options by their long names; flags and KAIZEN_* variables take precedence.",
    )


def json_option(function: F) -> F:
    """The option `--json`, as a decorator."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object to standard output.")(function)


def say(text: str) -> None:
    """A message to standard error, since standard output may be the result."""
    # Not by click, which writes past what draws a progress bar.
    width = shutil.get_terminal_size().columns - 1 if sys.stderr.isatty() else None
    lines = printable(text).split("\n")
    if width is not None:
        lines = [part for line in lines for part in ([line] if line[:1] == " " else wrapped([line], max(20, width)))]
    sys.stderr.write("\n".join(lines) + "\n")
    sys.stderr.flush()


def show_lines(lines: list[Line], *, err: bool = True) -> None:
    """Lines of a summary with their labels; a terminal gets them wrapped between words."""
    stream = sys.stderr if err else sys.stdout
    width = shutil.get_terminal_size().columns if stream.isatty() else 10_000
    for line in lines:
        if line.kind == "command":
            click.echo(_command_lines(line.text, width), err=err)
            continue
        for each in laid_out(line.label, in_flags(line.text), width - 1):
            click.echo(each, err=err)


def _narrowed(text: str, width: int) -> str:
    lines = [
        _command_lines(line.strip(), width)
        if line.startswith("  ") and "kaizen-batch " in line and len(line) > width
        else line
        for line in inspect.cleandoc(text).splitlines()
    ]
    return "\n".join(lines)


def _command_lines(command: str, width: int) -> str:
    """A command that can be pasted, broken between its words as a shell reads them."""
    lines = [" "]
    for word in re.findall(r"(?:'(?:[^']|'\"'\"')*'|\"[^\"]*\"|\S)+", printable(command)):
        if len(lines[-1]) + 1 + len(word) + 2 > width and lines[-1].strip():
            lines[-1] += " \\"
            lines.append("   ")
        lines[-1] += f" {word}"
    return "\n".join(lines)


def put_json(value: object) -> None:
    """One JSON object to standard output."""
    sys.stdout.write(f"{printable(json.dumps(value, ensure_ascii=False))}\n")


def _warn_of_unknown_variables(command: click.Command) -> None:
    """A misspelled variable would be ignored without a word."""
    known = {f"{_PREFIX}_{parameter.name.upper()}" for parameter in command.params if parameter.name}
    for name in os.environ:
        if name.startswith(f"{_PREFIX}_") and name not in known and name != _COMPLETION:
            hint = did_you_mean(name, known)
            if hint:
                say(f"warning   the environment variable {name} is not read: {hint.strip()}")
