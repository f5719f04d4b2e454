"""docs/options.md lists every option, with the default and the range that the code has."""

import re
from inspect import signature
from typing import Any, Literal, get_args, get_origin

import pytest
from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from kaizen_batch import BaseAgent, BatchConfig, BatchProcessorAgent, ParallelBatchStrategy, RetryPolicy, RunConfig
from tests.docs.pages import DOCS

TEXT = (DOCS / "options.md").read_text(encoding="utf-8")
OWN = [(kind, name) for kind in (RunConfig, RetryPolicy) for name in kind.model_fields] + [
    (BatchConfig, name) for name in BatchConfig.model_fields if name not in RunConfig.model_fields
]


def row_of(kind: type[BaseModel], name: str) -> tuple[str, str, str]:
    """Default, range and meaning, as the page has them."""
    section = TEXT.partition(f"(`{kind.__name__}`)\n")[2].partition("\n## ")[0]
    [row] = re.findall(rf"^\| `{name}` \| (.*) \| (.*) \| (.*) \|$", section, re.MULTILINE)
    return row


def default_of(kind: type[BaseModel], field: FieldInfo) -> str | None:
    """How a default is written; None if it comes from the environment."""
    value = field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel):
        return f"{type(value).__name__}()"
    if value is None and field.default_factory is not None:
        return None
    return f'"{value}"' if isinstance(value, str) else repr(value)


def range_of(field: FieldInfo) -> str | None:
    """How a range is written; None if the field has none."""
    if get_origin(field.annotation) is Literal:
        return ", ".join(f'`"{value}"`' for value in get_args(field.annotation))
    if field.annotation is bool:
        return "`True`, `False`"
    marks: dict[type, Any] = {type(mark): mark for mark in field.metadata}
    if not marks.keys() & {Ge, Gt, Le, Lt}:
        return None
    low = f"{marks[Ge].ge:,}" if Ge in marks else f"above {marks[Gt].gt}"
    if Le in marks:
        text = f"{low} to {marks[Le].le:,}"
    elif Lt in marks:
        text = f"{low}, below {marks[Lt].lt}"
    else:
        text = f"from {low}" if Ge in marks else low
    return f"{text}, or `None`" if type(None) in get_args(field.annotation) else text


@pytest.mark.parametrize(("kind", "name"), OWN)
def test_an_option_is_listed_with_its_default_and_range(kind: type[BaseModel], name: str) -> None:
    field = kind.model_fields[name]
    default, allowed, meaning = row_of(kind, name)
    wanted = default_of(kind, field)
    assert wanted is None or default.partition(";")[0] == f"`{wanted}`"
    bounds = range_of(field)
    assert bounds is None or allowed == bounds
    assert meaning


def test_options_whose_default_batch_config_changes_list_both() -> None:
    for name, field in RunConfig.model_fields.items():
        both = default_of(RunConfig, field), default_of(BatchConfig, BatchConfig.model_fields[name])
        if both[0] != both[1]:
            assert row_of(RunConfig, name)[0] == f"`{both[0]}`; `{both[1]}` in `BatchConfig`"


def test_nothing_is_listed_that_is_not_an_option() -> None:
    shown = re.findall(r"^\| `(\w+)` \|", TEXT, re.MULTILINE)
    assert sorted(shown) == sorted(name for _, name in OWN)


@pytest.mark.parametrize("kind", [BatchProcessorAgent, BaseAgent, ParallelBatchStrategy])
def test_shared_limits_are_an_argument_as_the_page_says(kind: type) -> None:
    section = TEXT.partition("(`RateLimits`)\n")[2]
    assert f"`{kind.__name__}(...)`" in section
    assert signature(kind).parameters["limits"].default is None
