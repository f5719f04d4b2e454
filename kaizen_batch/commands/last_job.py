"""The job of a journal's last run, from the stored command: what its input holds that no run has asked.

The journal may be somebody else's, so its command is only parsed: no call is made, no module imported, no other folder
entered.
"""

import shlex
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import click

from kaizen_batch.commands.batch_input import take_model
from kaizen_batch.commands.file_options import job_of
from kaizen_batch.commands.run import main as run
from kaizen_batch.commands.settings import WITHOUT_CALLS, agent_of, config_of, template_of
from kaizen_batch.files.names import STANDARD
from kaizen_batch.files.objects import is_url
from kaizen_batch.files.unasked import Asked, unasked
from kaizen_batch.journal import Journal, Run

_BEGINNING = ["kaizen-batch", "run"]


class UnknownRows(Exception):
    """Why nobody can say here which rows were never asked."""


class LastJob:
    """The last run of a journal that `kaizen-batch run` has made. Raises: UnknownRows."""

    def __init__(self, path: Path) -> None:
        self._journal = Journal(path)
        self._run = _last_of(self._journal)
        labels = self._run.description["config"]["labels"]
        self.input: str = labels.get("input", "its input")
        words = _arguments(labels)
        try:
            self._context = run.make_context("run", words)
        except click.ClickException as error:
            raise UnknownRows(f"the command of the last run cannot be read: {error.message}") from error
        self._check(self._context.params)

    def _check(self, options: dict[str, Any]) -> None:
        if options["shard"] is not None or options["executor"] is not None:
            raise UnknownRows("the last run was one of several shards")
        given = options["input"]
        if any(map(is_url, [given] if isinstance(given, str) else given)):
            raise UnknownRows("the input of the last run is in an object store, which is not asked for it")
        if ":" in options["provider"]:
            raise UnknownRows(f"the last run used a provider of its own, {options['provider']}, which is not imported")

    async def unasked(self) -> AsyncIterator[Asked]:
        """The requests of rows that are not in the journal. Raises: ConfigError, RecordError."""
        options = dict(self._context.params)
        template = template_of(options)
        take_model(self._context, options)
        described = self._run.description
        # As the last run called it: a part of each key, and the environment may have changed.
        options["endpoint_name"] = described["config"].get("endpoint_name") or described.get("endpoint")
        options.update(journal=self._journal.path, no_journal=False, accept_loss=False, fallback=())
        config = config_of(options, **WITHOUT_CALLS)
        job = job_of(options, template, overwrite=True)
        async for asked in unasked(job, agent_of(options, config), config, self._journal):
            yield asked


def _last_of(journal: Journal) -> Run:
    for last in reversed(journal.runs()):
        if "command" in last.description.get("config", {}).get("labels", {}):
            return last
    raise UnknownRows("no run was started by `kaizen-batch run`, and a journal does not hold the input")


def _arguments(labels: dict[str, str]) -> list[str]:
    words = shlex.split(labels["command"])
    if words[:2] != _BEGINNING:
        raise UnknownRows("the last run was not one of `kaizen-batch run`")
    if labels.get("input") == STANDARD:
        raise UnknownRows("the last run read standard input, which cannot be read again")
    folder = Path(labels.get("folder", "."))
    if folder.resolve() != Path.cwd():
        raise UnknownRows(f"the last run was in the folder {folder}: give this command there")
    return words[2:]
