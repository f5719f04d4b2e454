"""The plan of a job in shards: made once, from one reading of the input, and checked by every shard.

Rows are cut into ranges of equal length. For uncompressed UTF-8 text the plan also knows the byte at which each range
begins, so that a shard does not read what comes before it. Fingerprints are BLAKE2b over blocks of the input: a shard
compares those that it reads, and all of them for an input of up to 1 GiB.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import BinaryIO

import msgspec
from msgspec import Struct

from kaizen_batch.agents import Agent, prepared
from kaizen_batch.errors import ConfigError, KaizenBatchError
from kaizen_batch.files.inputs import expanded
from kaizen_batch.files.job import FileJob
from kaizen_batch.files.job_rows import is_read_once, open_input, skipped_in, survey_of
from kaizen_batch.files.jobs import output_format_of
from kaizen_batch.files.objects import is_url, size_of
from kaizen_batch.files.options import RENDERING
from kaizen_batch.files.reader import Records
from kaizen_batch.files.row_agent import RowAgent
from kaizen_batch.files.streams import open_bytes
from kaizen_batch.files.survey import Survey

VERSION = 1
PLAN = "plan.json"
_BLOCK = 4 * 2**20
_CHECK_ALL = 2**30
_LOOKED_AT = 1000


class InputFile(Struct, frozen=True):
    """A file of the input as it was: its name, its size in bytes, and a hash of each block."""

    name: str
    size: int
    blocks: tuple[str, ...]


class Plan(Struct, frozen=True):
    """What all shards of a job agree on.

    `bounds` are the first row of each shard, and the number of rows; `places` the bytes at which the shards begin,
    where that is known. `columns` are those of the survey. `question` is a hash of what is asked of a row. `command`
    and `home`, the folder it was given in, say how the job was started, for `merge`.
    """

    version: int
    shards: int
    bounds: tuple[int, ...]
    places: tuple[int | None, ...]
    columns: tuple[str, ...]
    inputs: tuple[InputFile, ...]
    question: str
    command: tuple[str, ...] = ()
    home: str = ""

    @property
    def total(self) -> int:
        """The number of rows."""
        return self.bounds[-1]

    def rows_of(self, shard: int) -> tuple[int, int]:
        """The range of a shard, which counts from 1."""
        return self.bounds[shard - 1], self.bounds[shard]

    async def survey(self, job: FileJob, agent: Agent, shard: int) -> Survey:
        """What the plan knows of the rows of a shard."""
        start, stop = self.rows_of(shard)
        byte = self.places[shard - 1]
        place = None if byte is None or not start else (start, byte)
        skipped = await skipped_in(replace(job, rows=(start, stop)), agent, RENDERING, place)
        return Survey(stop - start, self.columns, skipped, place)

    def encoded(self) -> bytes:
        """The plan as JSON."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1)


def decoded(data: bytes, where: str) -> Plan:
    """A plan from JSON. Raises: ConfigError for one that this version cannot read."""
    try:
        plan = msgspec.json.decode(data, type=Plan)
    except msgspec.DecodeError as error:
        raise ConfigError(f"the plan in {where!r} cannot be read ({error}): name another run folder") from None
    if plan.version != VERSION:
        raise ConfigError(
            f"the plan in {where!r} has version {plan.version}, and this program reads version {VERSION}: use the "
            "program that wrote it, or another run folder"
        )
    return plan


async def make_plan(job: FileJob, agent: Agent, shards: int) -> Plan:
    """Read the input once and cut it. Raises: ConfigError, RecordError."""
    check_can_be_cut(job)
    survey = await survey_of(job, agent, output_format_of(job), RENDERING)
    total = survey.total or 0
    bounds = tuple(total * number // shards for number in range(shards + 1))
    inputs = tuple(_fingerprint(path) for path in expanded(job.input, job.glob, job.input_format).paths)
    return Plan(
        VERSION, shards, bounds, places_of(job, bounds), survey.columns, inputs, question_of(job, agent, survey.columns)
    )


def check_can_be_cut(job: FileJob) -> None:
    """Raise ConfigError for a job that has no fixed rows."""
    if is_read_once(job):
        raise ConfigError("shards need an input that can be read again: save the stream to a file first")
    if job.sample is not None:
        raise ConfigError("sample and shards exclude each other: draw the sample into a file first, and shard that")
    if job.rows is not None:
        raise ConfigError("rows and shards exclude each other: a plan cuts the rows by itself")


def check_plan(plan: Plan, job: FileJob, agent: Agent, shard: int | None = None) -> None:
    """Raise ConfigError if the input or the question is not that of the plan.

    Of a large input only the bytes of the shard are compared.
    """
    paths = expanded(job.input, job.glob, job.input_format).paths
    again = "name another run folder, or remove this one to start from the beginning"
    if len(paths) != len(plan.inputs):
        raise ConfigError(
            f"the input has {len(paths)} files, and the plan of the run folder {len(plan.inputs)}: {again}"
        )
    span = None if shard is None or len(paths) > 1 else _span(plan, shard)
    for path, planned in zip(paths, plan.inputs, strict=True):
        if not _is_same(path, planned, span):
            raise ConfigError(f"the input {path!r} has changed since the plan was made: {again}")
    if question_of(job, agent, plan.columns) != plan.question:
        raise ConfigError(
            "the prompt, the model or another option that changes the answers is not that of the run folder's plan: "
            f"give the same options, or {again}"
        )


def question_of(job: FileJob, agent: Agent, columns: tuple[str, ...]) -> str:
    """A hash of what is asked of a row, and of what is written of it."""
    template = job.prompt_template
    about = [
        _first_request(job, agent),
        None if template is None else template.text,
        [job.limit, job.select, job.drop, job.id, job.columns, job.safe_cells, job.on_missing],
        [output_format_of(job), columns, list(agent.output_fields)],
    ]
    return hashlib.sha256(json.dumps(about, default=str).encode()).hexdigest()


def _first_request(job: FileJob, agent: Agent) -> str | None:
    """The canonical form of the first request, in hex; None if the first thousand rows make none."""
    asked = RowAgent(agent, job.prompt_template, on_missing=job.on_missing)
    with open_input(job) as records:
        for row in islice(records, _LOOKED_AT):
            with suppress(KaizenBatchError):
                return asked.canonical(prepared(asked, row)).hex()
    return None


def _fingerprint(path: str) -> InputFile:
    with open_bytes(path) as file:
        return InputFile(path, _size_of(path), tuple(_hash(block) for block in _blocks(file)))


def _size_of(path: str) -> int:
    return size_of(path) if is_url(path) else os.path.getsize(path)  # noqa: PTH202


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    while block := file.read(_BLOCK):
        yield block


def _hash(block: bytes) -> str:
    return hashlib.blake2b(block, digest_size=16).hexdigest()


def _span(plan: Plan, shard: int) -> tuple[int, int] | None:
    """The bytes of a shard; None if they are not known."""
    begin, end = plan.places[shard - 1], (*plan.places, None)[shard]
    if begin is None:
        return None
    return begin, plan.inputs[0].size if end is None else end


def _is_same(path: str, planned: InputFile, span: tuple[int, int] | None) -> bool:
    try:
        size = _size_of(path)
    except OSError:
        return False
    if size != planned.size:
        return False
    wanted = set(range(len(planned.blocks)))
    if size > _CHECK_ALL and span is not None:
        wanted = {0, len(planned.blocks) - 1, *range(span[0] // _BLOCK, span[1] // _BLOCK + 1)} & wanted
    with open_bytes(path) as file:
        for number in sorted(wanted):
            file.seek(number * _BLOCK)
            if _hash(file.read(_BLOCK)) != planned.blocks[number]:
                return False
    return True


def places_of(job: FileJob, bounds: tuple[int, ...]) -> tuple[int | None, ...]:
    """The byte at which each of these rows begins, except for the end; None where that cannot be told."""
    rows = bounds[:-1]
    unknown = (None,) * len(rows)
    with open_input(job) as records:
        if len(records.inputs.paths) > 1 or not records.can_seek:
            return unknown
        path = records.inputs.paths[0]
        if records.format == "jsonl":
            return _places_of_jsonl(path, rows)
        return _places_of_lines(path, _lines_before(records, rows)) or unknown


def _places_of_jsonl(path: str, rows: tuple[int, ...]) -> tuple[int, ...]:
    found: dict[int, int] = {}
    wanted, row, byte = set(rows), 0, 0
    with open_bytes(path) as file:
        for line in file:
            if row in wanted:
                found.setdefault(row, byte)  # blank lines before a row do no harm
            byte += len(line)
            row += bool(line.strip()) and not line.decode(errors="replace").isspace()
    return tuple(found.get(each, byte) for each in rows)


def _lines_before(records: Records, rows: tuple[int, ...]) -> list[int]:
    """How many lines come before each of these rows of delimited text."""
    found = []
    for row in rows:
        while records.rows_read < row:
            next(records)
        found.append(records.line or 0)
    return found


def _places_of_lines(path: str, lines: list[int]) -> tuple[int, ...] | None:
    """The bytes at which these lines begin, from 0; None if lines end in another way than bytes show."""
    found: dict[int, int] = {}
    wanted, byte = set(lines), 0
    with open_bytes(path) as file:
        for number, line in enumerate(file):
            if number in wanted:
                found[number] = byte
            if b"\r" in line.rstrip(b"\r\n") or line.endswith(b"\r\r\n"):
                return None
            byte += len(line)
    return tuple(found.get(line, byte) for line in lines)
