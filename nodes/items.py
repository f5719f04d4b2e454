"""What the items of a graph need before the agent sees them.

- Rows become prompts by a template.
- An item that failed in an earlier node fails here with the same error, without a call.
- An item that refers to files, URLs or headers is refused unless the node's author opened `item_references`: in a
  served workflow the items are somebody else's, and the endpoint or this process would fetch what they name.
  Texts are never inspected; only the parts of a structured content are.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from kaizen_batch.agents import Agent, AgentWrapper
from kaizen_batch.errors import ConfigError, EarlierFailureError, InputError
from kaizen_batch.files.templates import PromptTemplate, RowAgent
from kaizen_batch.nodes.kailash_types import NodeData
from kaizen_batch.nodes.runtime_inputs import REFERENCES
from kaizen_batch.results import ENVELOPE

_PARTS = {"image", "image_url", "input_image", "video_url", "document", "file", "input_file", "input_audio"}
_POINTERS = {"url", "image_url", "video_url", "file_url", "file_id", "path", "headers"}
_ERROR_FIELDS = {"type", "message", "code", "retryable"}


def failure_of(item: Any) -> NodeData | None:
    """The error of an item that is the failed result of an earlier node; None for any other item."""
    if not isinstance(item, dict) or item.get("status") != "error":
        return None
    error = item.get("error")
    return error if isinstance(error, dict) and error.keys() >= _ERROR_FIELDS else None


def failed_item(item: Mapping[str, object]) -> dict[str, object]:
    """The item that takes the place of a failed result in the next batch: its prompt is None, its error is kept."""
    return {"prompt": None, **{name: item[name] for name in ENVELOPE if name in item}}


class GraphAgent(AgentWrapper):
    """An agent whose items come from a graph."""

    def __init__(self, agent: Agent, template: PromptTemplate | None, *, references: bool = False) -> None:
        super().__init__(agent if template is None else RowAgent(agent, template))
        self._inspected = () if references or agent.signature is None else tuple(agent.signature.inputs)
        self.fallbacks: list[GraphAgent] = [
            GraphAgent(each, template, references=references) for each in agent.fallbacks
        ]

    def prepare(self, inputs: Any) -> Any:
        """The request of one item. Raises: InputError."""
        if isinstance(inputs, dict):
            error = failure_of(inputs)
            if error is not None:
                raise EarlierFailureError(**error)
            for name in self._inspected:
                if isinstance(inputs.get(name), list):
                    _refuse_references(name, inputs[name])
        return self.wrapped.prepare(inputs)


def check_template(template: PromptTemplate, agent: Agent, items: object) -> None:
    """Raise ConfigError for a template that would fail every item: before any call is made."""
    inputs = agent.signature.inputs if agent.signature is not None else {}
    if len(inputs) > 1:
        raise ConfigError(
            f"a prompt template makes one text, and the signature takes {', '.join(map(repr, inputs))}: leave out the "
            "template, and the columns of these names are taken"
        )
    first = (
        next((item for item in items if failure_of(item) is None), None) if isinstance(items, list | tuple) else None
    )
    if isinstance(first, Mapping):
        template.check(first)


def _refuse_references(name: str, parts: Iterable[object]) -> None:
    for part in parts:
        if isinstance(part, dict) and _refers(part):
            raise InputError(
                f"the input {name!r} refers to a file or URL, which the items of a graph may not do; to allow it, "
                f"construct the node with runtime_inputs=({REFERENCES!r},)",
                code="reference_refused",
            )


def _refers(part: Mapping[str, object]) -> bool:
    """Whether a content part in one of the known forms has its content elsewhere."""
    return part.get("type") in _PARTS and any(_points_elsewhere(name, value) for name, value in part.items())


def _points_elsewhere(name: str, value: object) -> bool:
    if isinstance(value, Mapping) and name != "headers":
        return any(_points_elsewhere(inner, each) for inner, each in value.items())
    return name in _POINTERS and not (isinstance(value, str) and value.startswith("data:"))


def kind_of_input(given: NodeData) -> str | None:
    """Which input the workflow passes in. Raises: ConfigError for two of them, or for a file without its other half."""
    kinds = [name for name in ("batch", "prompt", "input_path") if given[name] is not None]
    if len(kinds) > 1:
        raise ConfigError(f"the node takes `batch` or `prompt` or `input_path`; given: {' and '.join(kinds)}")
    kind = kinds[0] if kinds else None
    if (kind == "input_path") != (given["output_path"] is not None):
        raise ConfigError("`input_path` and `output_path`, the file that the results are written to, go together")
    if kind == "prompt" and given["template"] is not None:
        raise ConfigError("`template` goes with `batch` or `input_path`")
    return kind
