"""What the items of a graph need before the agent sees them.

- Rows become prompts by a template.
- An item that failed in an earlier node fails here with the same error, without a call.
- An item that refers to files, URLs or headers is refused unless the node's author opened `item_references`: in a
  served workflow the items are somebody else's, and the endpoint or this process would fetch what they name.
  Texts are never inspected; only the parts of a structured content are.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from kaizen_batch.agents import Agent, AgentWrapper, BatchItem
from kaizen_batch.errors import ConfigError, EarlierFailureError, InputError
from kaizen_batch.files.row_agent import RowAgent
from kaizen_batch.files.templates import PromptTemplate
from kaizen_batch.nodes.kailash_types import NodeData
from kaizen_batch.nodes.runtime_inputs import REFERENCES
from kaizen_batch.results import ENVELOPE
from kaizen_batch.signature import Signature
from kaizen_batch.signature.media import Document, Image

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
        self._guard = None if references or agent.signature is None else ReferenceGuard(agent.signature)
        self.fallbacks: list[GraphAgent] = [
            GraphAgent(each, template, references=references) for each in agent.fallbacks
        ]

    def prepare(self, inputs: Any) -> Any:
        """The request of one item. Raises: InputError."""
        if type(inputs) is BatchItem and self._guard is not None:
            self._guard.check(inputs.inputs)
        if isinstance(inputs, dict):
            error = failure_of(inputs)
            if error is not None:
                raise EarlierFailureError(**error)
        if self._guard is not None:
            self._guard.check(inputs)
        return self.wrapped.prepare(inputs)


class ReferenceGuard:
    """Refuses items that refer to files, URLs or headers: in an input, in a conversation, or as the item itself."""

    def __init__(self, signature: type[Signature]) -> None:
        self._inputs = tuple(signature.inputs)
        self._media = tuple(name for name, mark in signature.inputs.items() if mark.media is not None)

    def check(self, item: object) -> None:
        """Raise InputError for an item that refers to something."""
        if not isinstance(item, dict):
            only = self._inputs[0] if len(self._inputs) == 1 else ""
            self._check_value(only, item)
            return
        for name in self._inputs:
            self._check_value(name, item.get(name))
        messages = item.get("messages")
        for message in messages if isinstance(messages, list | tuple) else ():
            if isinstance(message, dict):
                self._check_value("messages", message.get("content"))

    def _check_value(self, name: str, value: object) -> None:
        if isinstance(value, list | tuple):
            _refuse_references(name, value)
        elif isinstance(value, Image | Document):
            _refuse_references(name, [value])
        elif name in self._media and _is_reference(value):
            raise _refused(name)


class GuardedAgent(AgentWrapper):
    """An agent for the rows of a file that a graph names: they may not refer to other files either."""

    def __init__(self, agent: Agent, *, references: bool) -> None:
        super().__init__(agent)
        self._guard = None if references or agent.signature is None else ReferenceGuard(agent.signature)
        self.fallbacks: list[GuardedAgent] = [GuardedAgent(each, references=references) for each in agent.fallbacks]

    def prepare(self, inputs: Any) -> Any:
        """The request of one row. Raises: InputError."""
        if self._guard is not None:
            self._guard.check(inputs)
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
        held = _held(part)
        if (held is not None and _is_reference(held.source)) or (isinstance(part, dict) and _refers(part)):
            raise _refused(name)


def _held(part: object) -> Image | Document | None:
    """The image or document that a part is, or holds."""
    inner = (
        next((part[name] for name in ("image_url", "file") if name in part), None) if isinstance(part, dict) else part
    )
    return inner if isinstance(inner, Image | Document) else None


def _is_reference(source: object) -> bool:
    """Whether an image or a document is somewhere else, and not in the item itself."""
    if isinstance(source, Image | Document):
        source = source.source
    return source is not None and not isinstance(source, bytes | bytearray) and not str(source).startswith("data:")


def _refused(name: str) -> InputError:
    return InputError(
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
