"""The canonical form of a request, whose SHA-256 is its key.

The key decides whether an answer in a journal is the answer to a question, so the form is a promise: no release may
change it (docs/resuming.md specifies it, tests/journal/data/canonical_vectors.json pins it). It holds what the answer
depends on: the endpoint's name, the model, the messages, the parameters and the schema of the output. It holds nothing
that only says how the question is sent: no `stream`, no `service_tier`, no structured-output mode, no limit on the
length of the answer, for an answer that ended by itself is valid under any limit.

Canonical JSON is UTF-8 without whitespace, with the members of each object sorted by code point; strings escape only
`"`, `\\` and the control characters (`\\b \\t \\n \\f \\r`, else `\\u00xx`), and are not normalized.
"""

import json
import math
from base64 import b64decode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, NamedTuple

import orjson

from kaizen_batch.journal.strict_schema import strict_schema

# What says how a request is sent, or how long its answer may be, and not what is asked.
_NOT_ASKED = ("stream", "stream_options", "service_tier", "max_tokens", "max_completion_tokens")

_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode


class Media(NamedTuple):
    """An image, sound or document inside a request: its SHA-256, its media type, its content."""

    sha256: bytes
    media_type: str | None
    content: bytes


class Frame(NamedTuple):
    """The canonical form of a chat request before and after its messages: the same for all requests of a run."""

    before: bytes
    after: bytes

    def around(self, messages: Sequence[Mapping[str, object]]) -> bytes:
        """The canonical form of the request with these messages."""
        return b"%b%b%b" % (self.before, _messages_json(messages), self.after)


def key_of(form: bytes) -> bytes:
    """The key of a request from its canonical form."""
    return sha256(form).digest()


def chat_frame(
    endpoint_name: str,
    model: str,
    parameters: Mapping[str, object],
    output: tuple[str, Mapping[str, object]] | None = None,
) -> Frame:
    """The frame of requests to a model.

    `parameters` are the other fields of the request body as configured, before anything learned from refusals;
    `output` is the name and the schema of a structured output. A schema and what strict mode makes of it are one.
    """
    asked = {name: value for name, value in parameters.items() if name not in _NOT_ASKED}
    schema = {"name": output[0], "schema": strict_schema(output[1])} if output is not None else None
    before = b'{"endpoint":%b,"messages":' % canonical_json(endpoint_name)
    rest = {"model": model, "output": _one_number(schema), "parameters": _one_number(asked)}
    return Frame(before, b"," + canonical_json(rest)[1:])


def body_form(endpoint_name: str, body: bytes | str, *, temperature: float | None = None) -> bytes:
    """The canonical form of a request that is known by its body alone.

    A body in the form of a chat completion gives what `chat_frame` gives for it; `temperature` is the one that was
    configured, where the body lacks it because the model takes none. Any other body counts as it is: arguments of a
    function, the body of an agent of your own.
    """
    value = _parsed(body)
    chat = _chat_of(value)
    if chat is None:
        return canonical_json({"body": value, "endpoint": endpoint_name})
    model, messages, parameters, output = chat
    if temperature is not None:
        parameters.setdefault("temperature", temperature)
    return chat_frame(endpoint_name, model, parameters, output).around(messages)


def canonical_json(value: object) -> bytes:
    """A JSON value in its canonical spelling; a lone surrogate becomes the three bytes that UTF-8 would give it."""
    return _encode(value).encode("utf-8", "surrogatepass")


def with_references(content: object) -> tuple[object, list[Media]]:
    """The content of a message with its embedded media as references, and the media.

    >>> with_references([{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}])[0]
    [{'type': 'image_url', 'image_url': {'url': {'media': {'sha256': '709e80c8...', 'type': 'image/png'}}}}]

    A text is not inspected, as content or as the `text` of a part; a URL that is not a data URL stays as it is.
    """
    found: list[Media] = []
    return (content if isinstance(content, str) else _referenced(content, found)), found


def stored_request(body: bytes) -> tuple[str, list[Media]]:
    """A request's body as the journal keeps it, and the media that it refers to instead of containing them."""
    text = body.decode("utf-8", "surrogatepass")
    if ";base64," not in text and '"input_audio"' not in text:
        return text, []
    value, found = _parsed(text), []
    for message in _messages_of(value):
        content = message.get("content")
        if not isinstance(content, str):
            message["content"], more = with_references(content)
            found += more
    return (json.dumps(value, separators=(",", ":"), ensure_ascii=False), found) if found else (text, [])


def _messages_of(value: object) -> list[dict[str, object]]:
    """The messages inside a parsed body, if it is one of a request to a model."""
    if isinstance(value, dict) and _are_messages(value.get("model"), value.get("messages")):
        return list(value["messages"])
    if isinstance(value, list) and len(value) in (4, 6) and _are_messages(value[0], value[1]):
        return list(value[1])
    return []


def _messages_json(messages: Sequence[Mapping[str, object]]) -> bytes:
    for message in messages:
        for value in message.values():
            if type(value) is not str:
                return canonical_json([_message(message) for message in messages])
    try:
        return orjson.dumps(messages, option=orjson.OPT_SORT_KEYS)  # texts only: the same bytes, in a tenth of the time
    except TypeError:  # a lone surrogate
        return canonical_json(messages)


def _message(message: Mapping[str, object]) -> dict[str, object]:
    return {name: with_references(value)[0] if name == "content" else value for name, value in message.items()}


def _referenced(value: object, found: list[Media], name: str = "") -> object:
    if isinstance(value, Mapping):
        if name == "input_audio" and isinstance(value.get("data"), str):
            return {**value, "data": _reference(value["data"], None, found) or value["data"]}
        return {key: inner if key == "text" else _referenced(inner, found, str(key)) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_referenced(inner, found) for inner in value]
    return _data_url(value, found) if isinstance(value, str) else value


def _data_url(text: str, found: list[Media]) -> object:
    """A reference to what a data URL holds; any other text as it is."""
    head, comma, data = text.partition(",")
    head = head.lower()
    if not comma or not head.startswith("data:") or not head.endswith(";base64"):
        return text
    return _reference(data, head[5:-7] or None, found) or text


def _reference(data: str, media_type: str | None, found: list[Media]) -> dict[str, object] | None:
    try:
        content = b64decode(data)
    except ValueError:
        return None  # no base64: the endpoint will say so
    media = Media(sha256(content).digest(), media_type, content)
    found.append(media)
    about = {"sha256": media.sha256.hex()}
    return {"media": about if media_type is None else {**about, "type": media_type}}


def _one_number(value: object) -> object:
    """The value with one spelling for each number: 1.0 is 1, as in JSON they are the same; NaN is null."""
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return int(value) if value.is_integer() else value
    if isinstance(value, Mapping):
        return {name: _one_number(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_one_number(inner) for inner in value]
    return value


def _parsed(body: bytes | str) -> object:
    text = body if isinstance(body, str) else body.decode("utf-8", "surrogatepass")
    try:
        return json.loads(text)
    except ValueError:
        return text


_Object = dict[str, Any]
_Chat = tuple[str, list[_Object], _Object, tuple[str, _Object] | None]


def _chat_of(value: object) -> _Chat | None:
    """Model, messages, parameters and output of a body in one of the two forms that requests to models have."""
    if isinstance(value, list):
        return _chat_of_list(value)
    if not isinstance(value, dict) or not _are_messages(value.get("model"), value.get("messages")):
        return None
    parameters = {name: inner for name, inner in value.items() if name not in ("model", "messages")}
    output = _output_of(parameters.get("response_format"))
    if output is not None:
        del parameters["response_format"]
    return value["model"], value["messages"], parameters, output


def _chat_of_list(value: list[Any]) -> _Chat | None:
    if len(value) not in (4, 6) or not _are_messages(value[0], value[1]):
        return None
    model, messages, temperature, _, *rest = value
    parameters = {} if temperature is None else {"temperature": temperature}
    return model, messages, parameters, (rest[0], rest[1]) if rest else None


def _are_messages(model: object, messages: object) -> bool:
    return isinstance(model, str) and isinstance(messages, list) and all(isinstance(each, dict) for each in messages)


def _output_of(response_format: object) -> tuple[str, dict[str, object]] | None:
    if not isinstance(response_format, dict) or response_format.get("type") != "json_schema":
        return None
    about = response_format.get("json_schema")
    if not isinstance(about, dict) or not isinstance(about.get("schema"), dict):
        return None
    return str(about.get("name", "")), about["schema"]
