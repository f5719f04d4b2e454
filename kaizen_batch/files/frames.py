"""DataFrames in and out: the rows of a frame through an agent, and the answers as new columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kaizen_batch.agents import Agent
from kaizen_batch.engine.frames import FrameRows, eager
from kaizen_batch.files.job_rows import check_agent
from kaizen_batch.files.rendering import config_and_rendering, rendered_as
from kaizen_batch.files.row_agent import RowAgent
from kaizen_batch.files.target import OutputNames
from kaizen_batch.files.templates import OnMissing, PromptTemplate, check_on_missing
from kaizen_batch.results import Outputs, outputs_of
from kaizen_batch.results.values import as_text, is_missing
from kaizen_batch.strategies import ParallelBatchStrategy

_ERROR = "error"


@dataclass(frozen=True)
class FrameJob:
    """A DataFrame, and what to ask about each row; without a template the signature's inputs are columns."""

    frame: Any
    template: PromptTemplate | str | None = None
    on_missing: OnMissing = "fail"

    def __post_init__(self) -> None:
        check_on_missing(self.on_missing)
        if isinstance(self.template, str):
            object.__setattr__(self, "template", PromptTemplate(self.template))

    @property
    def prompt_template(self) -> PromptTemplate | None:
        """The template, parsed."""
        return PromptTemplate(self.template) if isinstance(self.template, str) else self.template


async def run_frame(job: FrameJob, agent: Agent, strategy: ParallelBatchStrategy, *, progress: bool = False) -> Any:
    """The frame with a column for each output, and the column `error`, which is null for rows that were answered.

    Raises: ConfigError for columns that are not there; with `on_error="raise"` BatchError.
    """
    template, data = job.prompt_template, eager(job.frame)
    columns = tuple(map(str, data.columns))
    check_agent(template, agent, ())
    check_agent(template, agent, columns)
    config, rendering = config_and_rendering(strategy.config.over(agent.config))
    strategy = strategy.configured(config)
    used = _used(template, agent, columns)
    rows = FrameRows(data.select([name for name in data.columns if str(name) in used]))
    asked = _Asked(rows, template if job.on_missing == "skip" else None)
    answers = _Answers(len(rows), columns, agent)
    row_agent = RowAgent(agent, rendered_as(template, rendering), on_missing=job.on_missing)
    async with strategy.stream(row_agent, asked, progress=progress) as run:
        async for result in run:
            error = result["error"]
            answers.put(asked.places[result["index"]], outputs_of(result), None if error is None else error["message"])
    return _with_columns(data, answers.columns)


class _Asked:
    """The rows that are asked; `places` are their numbers in the frame."""

    def __init__(self, rows: FrameRows, skipping: PromptTemplate | None) -> None:
        self._rows = rows
        self._skipping = skipping
        self.places: Any = range(len(rows))
        if skipping is not None:
            self.places = [place for place, row in enumerate(rows) if not skipping.is_empty(row)]

    def __len__(self) -> int:
        return len(self.places)

    def __iter__(self) -> Any:
        if self._skipping is None:
            return iter(self._rows)
        return (row for row in self._rows if not self._skipping.is_empty(row))


class _Answers:
    """The new columns."""

    def __init__(self, rows: int, columns: tuple[str, ...], agent: Agent) -> None:
        self._rows = rows
        self._names = OutputNames(columns)
        self._outputs = {self._names.of(field): [None] * rows for field in agent.output_fields}
        self._errors: list[str | None] = [None] * rows

    def put(self, place: int, outputs: Outputs, error: str | None) -> None:
        """The answer of one row."""
        for field, value in outputs.items():
            name = self._names.of(field)
            if name not in self._outputs:
                self._outputs[name] = [None] * self._rows
            self._outputs[name][place] = value
        self._errors[place] = error

    @property
    def columns(self) -> dict[str, list[Any]]:
        """The outputs, and the errors behind them."""
        return {**self._outputs, self._names.of(_ERROR): self._errors}


def _used(template: PromptTemplate | None, agent: Agent, columns: tuple[str, ...]) -> set[str]:
    if template is not None:
        return set(template.used(columns))
    if agent.signature is not None:
        return {name for name in agent.signature.inputs if name in columns}
    return set(columns)


def _with_columns(frame: Any, columns: Mapping[str, Sequence[object]]) -> object:
    """A narwhals frame with more columns, as the frame of its own library; values of mixed types become text."""
    import narwhals as nw

    made = []
    for name, values in columns.items():
        try:
            made.append(nw.new_series(name, list(values), backend=frame.implementation))
        except Exception:  # each library has its own errors for values that one column cannot hold
            texts = [None if is_missing(value) else as_text(value) for value in values]
            made.append(nw.new_series(name, texts, nw.String(), backend=frame.implementation))
    return frame.with_columns(*made).to_native()
