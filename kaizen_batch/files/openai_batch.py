"""The two forms of a line in the field's batch files, as rows.

An input line is `{custom_id, method, url, body}`: OpenAI's Batch API, its compatible servers and vLLM's `run-batch`
read it. An output line is `{id, custom_id, response: {status_code, request_id, body}, error}`.
"""

import json
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

from kaizen_batch.agents import Agent, AgentWrapper
from kaizen_batch.errors import ConfigError, InputError
from kaizen_batch.files.names import BATCH_LINES
from kaizen_batch.files.output import Output
from kaizen_batch.files.rows import Row
from kaizen_batch.providers import Request
from kaizen_batch.providers.base import Parameters
from kaizen_batch.results.values import as_json
from kaizen_batch.signature import Signature

FACTS = ("finish_reason", "usage", "model")
"""The columns that an output line is made from, beside the answer."""

_CHAT = ("/v1/chat/completions", "/chat/completions")
_OWN = ("model", "messages", "temperature", "max_tokens", "max_completion_tokens", "stream", "stream_options")
_TOKENS = {"input_tokens": "prompt_tokens", "output_tokens": "completion_tokens"}


class RequestLines(AgentWrapper):
    """An agent whose items are input lines: it asks its own model what the body of each says."""

    def __init__(self, agent: Agent) -> None:
        super().__init__(agent)
        self.signature: type[Signature] | None = None
        self.fallbacks: list[RequestLines] = [RequestLines(other) for other in agent.fallbacks]

    def prepare(self, row: Any) -> Request:
        """The request of one line. Raises: InputError for one that is none."""
        body = body_of_line(row)
        limits = (body.get("max_tokens"), body.get("max_completion_tokens"), self.wrapped.max_output(None))
        more = {name: value for name, value in body.items() if name not in _OWN}
        return Request(
            self.name or str(body["model"]),
            body["messages"],
            body.get("temperature"),
            next((limit for limit in limits if limit is not None), None),
            parameters=Parameters.of(more) if more else None,
            asked="temperature" in body,
        )

    def max_output(self, request: object) -> int | None:
        """The most tokens an answer can have."""
        if isinstance(request, Request) and request.max_tokens is not None:
            return request.max_tokens
        return self.wrapped.max_output(None)


def body_of_line(row: Any) -> dict[str, Any]:
    """The body of an input line. Raises: InputError that says what is wrong with it."""
    if not isinstance(row, Mapping) or not isinstance(row.get("custom_id"), str):
        raise InputError("a line needs a custom_id, which is a string")
    if row.get("method", "POST") != "POST" or row.get("url", _CHAT[0]) not in _CHAT:
        raise InputError(f"only POST to {_CHAT[0]} can be asked; given: {row.get('method')} {row.get('url')}")
    body = row.get("body")
    messages = body.get("messages") if isinstance(body, dict) else None
    if not isinstance(body, dict) or not isinstance(messages, list) or not all(map(_is_message, messages)):
        raise InputError("the body of a line needs messages, a list of objects")
    return body


def _is_message(value: object) -> bool:
    return isinstance(value, dict) and "role" in value


def model_of_lines(rows: Iterable[Any], most: int = 1_000) -> str | None:
    """The one model that the first lines ask; None if they name none. Raises: ConfigError for several."""
    models = {row["body"].get("model") for row in islice(rows, most) if isinstance(row.get("body"), dict)}
    found = sorted(model for model in models if isinstance(model, str))
    if len(found) > 1:
        raise ConfigError(f"the file asks several models, {', '.join(found[:5])}: split it, or give --model for all")
    return found[0] if found else None


class BatchLineEncoder:
    """Answered rows as output lines; each needs the `custom_id` of its row."""

    def __init__(self, output: Output) -> None:
        self._write = output.open_text().write

    def add(self, row: Row, more: dict[str, object]) -> None:
        """Write an input row with its answer."""
        self.write({**row.cells(), **more})

    def write(self, row: dict[str, object]) -> None:
        """Write one answered row. Raises: ConfigError for one without a name."""
        name = row.get("custom_id")
        if name is None:
            raise ConfigError(f"the output format {BATCH_LINES} needs rows with a column custom_id")
        self._write(as_json(output_line(str(name), row)) + "\n")

    def finish(self) -> None:
        """Nothing is missing."""

    def abandon(self) -> None:
        """Nothing is held."""


def output_line(name: str, row: Mapping[str, object]) -> dict[str, object]:
    """The output line of an answered row."""
    usage = {theirs: row.get(ours) or 0 for ours, theirs in _TOKENS.items()}
    message = {"role": "assistant", "content": row.get("result")}
    choice = {"index": 0, "message": message, "finish_reason": row.get("finish_reason")}
    body = {"id": name, "object": "chat.completion", "model": row.get("model"), "choices": [choice], "usage": usage}
    response = {"status_code": 200, "request_id": name, "body": body}
    return {"id": name, "custom_id": name, "response": response, "error": None}


def input_line(name: str, request: str) -> bytes | None:
    """The input line of a request as a journal keeps it; None for one that is no chat request, or has media."""
    try:
        body = json.loads(request)
    except ValueError:
        return None
    if not isinstance(body, dict) or not isinstance(body.get("messages"), list) or '{"media":' in request:
        return None
    body.pop("stream", None)
    line = {"custom_id": name, "method": "POST", "url": _CHAT[0], "body": body}
    return json.dumps(line, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"
