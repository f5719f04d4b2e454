"""A stored command may be somebody else's: before it runs, its user sees what it would do and agrees.

A journal from elsewhere could name an endpoint that collects keys, a provider whose module is imported, or a folder
whose files are read. Nothing of that happens before the answer: the command is only parsed.
"""

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from kaizen_batch.commands.command import say
from kaizen_batch.commands.run import main as run
from kaizen_batch.commands.settings import without_option
from kaizen_batch.texts.terminal import printable

_ASKED = ("provider", "base_url", "fallback")
_CONFIG = "--config"


def is_repeated(stored: Sequence[str], more: Sequence[str], folder: Path) -> bool:
    """Whether the user's own options, environment and defaults name the endpoint and provider, in this folder."""
    if folder.resolve() != Path.cwd() or _has_config(stored):
        return False
    given, own = _parsed([*stored, *more]), _parsed(more)
    return all(given[name] == own[name] for name in _ASKED)


def ask_first(stored: Sequence[str], more: Sequence[str], folder: Path) -> None:
    """Show the command and ask. Raises: click.Abort for a no, click.UsageError without a terminal."""
    given = _parsed([*stored, *more])
    say("This journal's last run, which may be somebody else's:")
    say(f"  command   {shlex.join(['kaizen-batch', 'run', *stored, *more])}")
    say(f"  folder    {folder}")
    say(f"  endpoint  {', '.join(given['base_url']) or 'OPENAI_BASE_URL, OpenAI'}, provider {given.get('provider')}")
    if given.get("fallback"):
        say(f"  fallback  {', '.join(given['fallback'])}")
    if not sys.stdin.isatty():
        raise click.UsageError(
            "it runs only if you agree: give --yes, or run this in the folder of the last run with"
            " the same --base-url and --provider"
        )
    click.confirm(printable("Run it, with your key?"), abort=True, err=True)


def _parsed(words: Sequence[str]) -> dict[str, Any]:
    """The options of `run` in these words, with those of the environment; nothing is imported or read."""
    context = run.make_context("run", without_option(words, _CONFIG), resilient_parsing=True)
    found = {name: context.params.get(name) for name in _ASKED}
    endpoint = os.environ.get("OPENAI_BASE_URL")
    return {**found, "base_url": tuple(found["base_url"] or ()) or ((endpoint,) if endpoint else ())}


def _has_config(words: Sequence[str]) -> bool:
    return any(word == _CONFIG or word.startswith(f"{_CONFIG}=") for word in words)
