"""Which rendering of cells a run uses: the newest, or the one that its journal began with.

The text of a prompt is part of a request's key. An improvement in how cells become text would change the keys, and
every answer in a journal would be paid again. So each run notes its rendering among the labels that the journal keeps,
and the next run on the journal takes the same.
"""

from pathlib import Path
from typing import TypeVar

from kaizen_batch.config import RunConfig
from kaizen_batch.errors import JournalError
from kaizen_batch.files.options import RENDERING
from kaizen_batch.files.templates import PromptTemplate
from kaizen_batch.journal import Journal

LABEL = "rendering"

_Config = TypeVar("_Config", bound=RunConfig)


def config_and_rendering(config: _Config) -> tuple[_Config, int]:
    """The rendering of a run, and its config with the label that keeps it."""
    if config.journal is None:
        return config, RENDERING
    rendering = _rendering_of(Path(config.journal))
    return config.model_copy(update={"labels": {**config.labels, LABEL: str(rendering)}}), rendering


def rendered_as(template: PromptTemplate | None, rendering: int) -> PromptTemplate | None:
    """A template, if there is one, for a run with this rendering."""
    return None if template is None else template.rendered_as(rendering)


def _rendering_of(journal: Path) -> int:
    if not journal.exists():
        return RENDERING
    try:
        runs = Journal(journal).runs()
    except JournalError:
        return RENDERING  # the run itself says what is wrong with it
    if not runs:
        return RENDERING
    label = runs[0].description.get("config", {}).get("labels", {}).get(LABEL)
    return int(label) if isinstance(label, str) and label.isdecimal() else 1
