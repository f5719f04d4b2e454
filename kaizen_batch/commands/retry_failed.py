"""`kaizen-batch retry-failed`: repeat the command of a journal's last run."""

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from kaizen_batch.commands.command import Command, say
from kaizen_batch.commands.foreign import ask_first, is_repeated
from kaizen_batch.commands.run import main as run
from kaizen_batch.commands.settings import without_option
from kaizen_batch.commands.status import JOURNAL
from kaizen_batch.errors import ConfigError
from kaizen_batch.files.names import STANDARD
from kaizen_batch.journal import Journal

_BEGINNING = ["kaizen-batch", "run"]


@click.command("retry-failed", cls=Command, passes_on=True)
@JOURNAL
@click.option("--yes", is_flag=True, help="Run the stored command without asking.")
@click.argument("more", nargs=-1, type=click.UNPROCESSED, metavar="[RUN OPTIONS]...")
def main(journal: Path, yes: bool, more: tuple[str, ...]) -> None:
    """Repeat the command of a journal's last run: only failed and missing rows are asked.

    \b
    Examples:
      kaizen-batch retry-failed labels.csv
      kaizen-batch retry-failed labels.csv.journal.db --budget 20 --max-concurrent 5

    Added options of `kaizen-batch run` replace those of the last run. Recorded answers cost nothing; the output is
    written again, with all rows. JOURNAL may also be the output of the run.

    A journal may come from somebody else. Unless the stored command runs in the current folder and asks the endpoint
    and provider that your own options and environment name, it is shown and you are asked; --yes answers.
    """
    if "--accept-loss" in more:
        Journal(journal).accept_loss()
    labels = _labels(journal)
    arguments = without_replaced(_arguments(journal, labels), more)
    folder = Path(labels.get("folder", "."))
    if not folder.is_dir():
        raise ConfigError(
            f"the last run was in {str(folder)!r}, which does not exist any more: run this in its new place:"
            f" {labels['command']}"
        )
    if not yes and not is_repeated(arguments, more, folder):
        ask_first(arguments, more, folder)
    path = journal.resolve()
    os.chdir(folder)
    words = [*_with_journal(arguments, path), *more]
    say(f"in {folder}: {shlex.join([*_BEGINNING, *words])}")
    run.main(words, prog_name="kaizen-batch run")


def _with_journal(arguments: list[str], path: Path) -> list[str]:
    """The arguments with the journal where it was found now; it is named only if the run would use another one."""
    kept = without_option(arguments, "--journal")
    context = run.make_context("run", list(kept), resilient_parsing=True)
    beside = Path(f"{context.params.get('output')}.journal.db")
    return kept if beside.resolve() == path else [*kept, "--journal", str(path)]


def without_replaced(arguments: list[str], more: Sequence[str]) -> list[str]:
    """The stored arguments without the options that can be repeated and are given anew: those replace them."""
    for option in run.params:
        if getattr(option, "multiple", False) and any(word.split("=")[0] in option.opts for word in more):
            arguments = without_option(arguments, option.opts[0])
    return arguments


def _labels(journal: Path) -> dict[str, Any]:
    for last in reversed(Journal(journal).runs()):
        labels: dict[str, Any] = last.description.get("config", {}).get("labels", {})
        if "command" in labels:
            return labels
    raise ConfigError(
        f"no run in {str(journal)!r} was started by this command, so there is none to repeat: run your own program"
        " again with the same journal"
    )


def _arguments(journal: Path, labels: dict[str, Any]) -> list[str]:
    words = shlex.split(labels["command"])
    if words[:2] != _BEGINNING:
        raise ConfigError(f"the command in {str(journal)!r} is not one of `kaizen-batch run`: {labels['command']}")
    if labels.get("input") == STANDARD:
        raise ConfigError(
            f"the last run read standard input, which cannot be read again: pipe the same rows into {labels['command']}"
        )
    return words[2:]
