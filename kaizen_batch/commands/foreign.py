"""A stored command may be somebody else's: before it runs, its user sees what it would do and agrees.

A journal from elsewhere could name an endpoint that collects keys, a provider whose module is imported, or a folder
whose files are read. Nothing of that happens before the answer: the command is only parsed.
"""

import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from kaizen_batch.commands.command import say
from kaizen_batch.commands.run import main as run
from kaizen_batch.commands.settings import without_option
from kaizen_batch.files.objects import is_url
from kaizen_batch.results.texts.terminal import printable

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
    for reason in _reasons(stored, more, folder):
        say(reason)
    say("If the journal is not yours, check what would run:")
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
    key = ", with your key" if os.environ.get("OPENAI_API_KEY") else ""
    click.confirm(printable(f"Run it{key}?"), abort=True, err=True)


def ask_before_merge(stored: Sequence[str], home: Path, run_folder: str) -> None:
    """Ask before a command in a plan has code imported, or a file written elsewhere than here or by the run folder.

    Raises: as ask_first. A merge makes no call, so it asks nothing about the endpoint.
    """
    reasons = list(_dangers(stored, home, run_folder))
    if not reasons:
        return
    for reason in reasons:
        say(reason)
    say("If the run folder is not yours, check what would be merged:")
    say(f"  command   {shlex.join(['kaizen-batch', 'run', *stored])}")
    say(f"  folder    {home}")
    if not sys.stdin.isatty():
        raise click.UsageError("it is merged only if you agree: give --yes")
    click.confirm(printable("Merge it?"), abort=True, err=True)


def _dangers(stored: Sequence[str], home: Path, run_folder: str) -> Iterator[str]:
    """What makes a merge more than writing a file beside its run folder."""
    given, own = _parsed(stored), _parsed(())
    if ":" in (given["provider"] or "") and given["provider"] != own["provider"]:
        yield f"The shards used the provider {given['provider']}, whose module would be imported."
    if any("llm_provider" in each for each in given["fallback"] or ()):
        yield "The shards used a fallback with a provider of its own."
    if _has_config(stored):
        yield "The shards used a --config file."
    output = run.make_context("run", without_option(stored, _CONFIG), resilient_parsing=True).params.get("output")
    if output is not None and not _is_near(output, home, run_folder):
        yield f"The output, {output}, is neither in this folder nor beside the run folder."


def _is_near(output: str, home: Path, run_folder: str) -> bool:
    if is_url(output):
        return output.startswith(f"{run_folder.rstrip('/').rpartition('/')[0]}/")
    here = [Path.cwd()] if is_url(run_folder) else [Path.cwd(), Path(run_folder).resolve().parent]
    target = ((home if home.is_dir() else Path.cwd()) / output).resolve()
    return any(target.is_relative_to(folder) for folder in here)


def _reasons(stored: Sequence[str], more: Sequence[str], folder: Path) -> Iterator[str]:
    """Why this command is not certainly the user's own."""
    given, own = _parsed([*stored, *more]), _parsed(more)
    if folder.resolve() != Path.cwd():
        yield f"The last run was in another folder, {folder}."
    if _has_config(stored):
        yield "The last run used a --config file."
    for name in _ASKED:
        if given[name] == own[name]:
            continue
        used = ", ".join(given[name]) if isinstance(given[name], tuple) else given[name]
        if name == "base_url" and not own[name]:
            yield f"OPENAI_BASE_URL is not set; the last run used {used}."
        else:
            yield f"Your --{name.replace('_', '-')} is not the one of the last run, {used or 'none'}."


def _parsed(words: Sequence[str]) -> dict[str, Any]:
    """The options of `run` in these words, with those of the environment; nothing is imported or read."""
    context = run.make_context("run", without_option(words, _CONFIG), resilient_parsing=True)
    found = {name: context.params.get(name) for name in _ASKED}
    endpoint = os.environ.get("OPENAI_BASE_URL")
    return {**found, "base_url": tuple(found["base_url"] or ()) or ((endpoint,) if endpoint else ())}


def _has_config(words: Sequence[str]) -> bool:
    return any(word == _CONFIG or word.startswith(f"{_CONFIG}=") for word in words)
