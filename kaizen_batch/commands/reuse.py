"""Before a run: whether the answers in its journal are of use to it, and why not."""

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

from kaizen_batch.agents import Agent
from kaizen_batch.commands.rows import records_of
from kaizen_batch.commands.settings import Options
from kaizen_batch.config import BatchConfig
from kaizen_batch.errors import InputError, JournalError
from kaizen_batch.files.inputs import expanded
from kaizen_batch.files.names import is_stream
from kaizen_batch.files.rendering import config_and_rendering, rendered_as
from kaizen_batch.files.row_agent import RowAgent
from kaizen_batch.files.templates import PromptTemplate
from kaizen_batch.journal import Entry, Journal
from kaizen_batch.journal.canonical import key_of
from kaizen_batch.results.texts.numbers import count, counted

_LOOKED_AT = 1_000  # rows: enough to be exact for a small file, and quick for a large one
_LENGTHS = ("max_tokens", "max_completion_tokens")
_PARTS = {"model": "the model", "messages": "the prompt or the input", "response_format": "the schema"}


def reuse_warning(options: Options, config: BatchConfig, agent: Agent, template: PromptTemplate | None) -> str | None:
    """What to say if the journal has answers and none of the first rows can use one; else None."""
    if config.journal is None or not config.journal.is_file() or _is_read_once(options) or not agent.from_model:
        return None
    try:
        return _warning(options, config, agent, template)
    except JournalError:
        return None  # the run itself says what is wrong with it


def saved_keys(config: BatchConfig) -> frozenset[bytes]:
    """The keys of the questions whose answers are in the journal; none without one, or if it cannot be read."""
    if config.journal is None or not config.journal.is_file():
        return frozenset()
    try:
        with Journal(config.journal) as journal:
            return frozenset(outline.key for outline in journal.outlines() if outline.state == "done")
    except JournalError:
        return frozenset()  # the run itself says what is wrong with it


def _warning(options: Options, config: BatchConfig, agent: Agent, template: PromptTemplate | None) -> str | None:
    assert config.journal is not None
    rows = RowAgent(agent, rendered_as(template, config_and_rendering(config)[1]))
    with Journal(config.journal) as journal:
        answered = journal.count()["done"]
        requests = _requests(options, rows, template) if answered else {}
        if not requests or any(entry.state == "done" for entry in journal.find(list(requests))):
            return None
        why = _why(next(iter(requests.values())), _last_answered(journal), journal, agent)
    number = len(requests)
    which = f"the first {count(number)} rows" if number == _LOOKED_AT else counted(number, "row")
    return f"{why}: {which} can use 0 of the {counted(answered, 'answer')} in the journal, and will be sent and billed"


def _is_read_once(options: Options) -> bool:
    return any(map(is_stream, expanded(options["input"], options["glob"], options["input_format"]).paths))


def _requests(options: Options, agent: RowAgent, template: PromptTemplate | None) -> dict[bytes, dict[str, Any]]:
    """The first requests by their keys."""
    found: dict[bytes, dict[str, Any]] = {}
    with records_of(options, template) as records:
        for row in islice(records, min(_LOOKED_AT, options["limit"] or _LOOKED_AT)):
            try:
                request = agent.prepare(row)
            except InputError:
                continue
            found[key_of(agent.canonical(request))] = json.loads(agent.body(request))
    return found


def _last_answered(journal: Journal) -> Entry | None:
    """An answered request of the last run; of any run where none has listed its rows."""
    runs = journal.runs()
    rows: Iterator[Any] = journal.rows(runs[-1]) if runs else iter(())
    keys = [row.key for row in islice(rows, _LOOKED_AT) if row.key is not None and row.status == "ok"][:1]
    return next(iter(journal.find(keys)), None) if keys else next(journal.entries(("done",)), None)


def _why(request: dict[str, Any], before: Entry | None, journal: Journal, agent: Agent) -> str:
    """What is different from the last run: the part of the request, or the endpoint."""
    asked = json.loads(before.request) if before is not None else None
    if not isinstance(asked, dict):
        return "the requests changed"
    changed = _changed(request, asked)
    if changed is not None:
        return f"{_PARTS.get(changed, changed)} changed since the last run"
    old = _endpoint_before(journal, agent) or "another endpoint"
    return (
        f"the journal's answers are from {old}, and this is {agent.endpoint_name} (to use them: --endpoint-name {old})"
    )


def _changed(request: dict[str, Any], before: dict[str, Any]) -> str | None:
    """The first field that differs, apart from the limit of an answer."""
    names = dict.fromkeys((*_PARTS, *request, *before))
    return next((name for name in names if name not in _LENGTHS and request.get(name) != before.get(name)), None)


def _endpoint_before(journal: Journal, agent: Agent) -> str | None:
    """The last run's endpoint that is another one than this run's."""
    described = [run.description for run in journal.runs()]
    names = [each.get("config", {}).get("endpoint_name") or each.get("endpoint") for each in described]
    return next((name for name in reversed(names) if name and name != agent.endpoint_name), None)
