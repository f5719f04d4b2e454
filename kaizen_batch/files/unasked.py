"""The requests of a job that its journal does not know: rows that no run has reached."""

from collections.abc import AsyncIterator

from kaizen_batch.agents import Agent, prepared
from kaizen_batch.config import RunConfig
from kaizen_batch.errors import ConfigError, KaizenBatchError
from kaizen_batch.files.job import FileJob
from kaizen_batch.files.job_rows import JobRows, is_read_once, open_input, survey_of
from kaizen_batch.files.names import BATCH_LINES, path_text, written_kind_of
from kaizen_batch.files.openai_batch import RequestLines
from kaizen_batch.files.rendering import config_and_rendering, rendered_as
from kaizen_batch.files.row_agent import RowAgent
from kaizen_batch.journal import Journal
from kaizen_batch.journal.canonical import key_of, stored_request

_GROUP = 500

Asked = tuple[bytes, str]
"""A request: its key, and what a journal keeps of it."""


async def unasked(job: FileJob, agent: Agent, config: RunConfig, journal: Journal) -> AsyncIterator[Asked]:
    """The requests of the job that are not in the journal, once each, in the order of the rows. No call is made.

    A row that fails without a call, such as one without a value for the prompt, has no request. Raises: ConfigError,
    RecordError.
    """
    if is_read_once(job):
        raise ConfigError("the input is a stream, which cannot be read again")
    agent = RequestLines(agent) if job.input_format == BATCH_LINES else agent
    _, rendering = config_and_rendering(config)
    format = written_kind_of(path_text(job.output), job.output_format).format
    survey = await survey_of(job, agent, format, rendering)
    asked = RowAgent(agent, rendered_as(job.prompt_template, rendering), on_missing=job.on_missing, id=job.id)
    seen: set[bytes] = set()
    with open_input(job, rendering) as records:
        async for group in _in_groups(asked, JobRows(job, agent, records, survey).unanswered()):
            known = {entry.key for entry in journal.find(list(group))}
            for key, request in group.items():
                if key not in known and key not in seen:
                    seen.add(key)
                    yield key, request


async def _in_groups(agent: Agent, rows: AsyncIterator[object]) -> AsyncIterator[dict[bytes, str]]:
    group: dict[bytes, str] = {}
    async for row in rows:
        try:
            request = prepared(agent, row)
            group[key_of(agent.canonical(request))] = stored_request(agent.body(request))[0]
        except (KaizenBatchError, UnicodeError):
            continue
        if len(group) == _GROUP:
            yield group
            group = {}
    yield group
