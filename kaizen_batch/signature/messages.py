"""Messages of a conversation, in OpenAI's form: checked, and joined with instructions."""

import json
from collections.abc import Mapping

from kaizen_batch.errors import InputError
from kaizen_batch.signature.media import Document, Image, Message, PendingMessages

_SYSTEM = ("system", "developer")
_ROLES = (*_SYSTEM, "user", "assistant", "tool", "function")
# The field of each kind of part, and what it must be.
_PARTS: dict[str, tuple[str, type]] = {
    "text": ("text", str),
    "refusal": ("refusal", str),
    "image_url": ("image_url", dict),
    "input_audio": ("input_audio", dict),
    "file": ("file", dict),
    "video_url": ("video_url", dict),
}


def with_system(messages: list[Message], text: str) -> list[Message]:
    """The messages, with a text at the end of their first system message, or as one of their own before them.

    >>> with_system([{"role": "user", "content": "hi"}], "Be brief.")
    [{'role': 'system', 'content': 'Be brief.'}, {'role': 'user', 'content': 'hi'}]
    """
    first, rest = (messages[0], messages[1:]) if messages else ({}, [])
    if first.get("role") not in _SYSTEM:
        first, rest = {"role": "system", "content": ""}, messages
    content = first.get("content") or ""
    if isinstance(content, list):
        content = [*content, {"type": "text", "text": text}]
    else:
        content = f"{content}\n\n{text}" if content else text
    return type(messages)([{**first, "content": content}, *rest])


def text_of(content: object) -> str:
    """The texts in the content of a message."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "\n".join(str(part["text"]) for part in parts if isinstance(part, dict) and part.get("type") == "text")


def conversation(value: object) -> list[Message]:
    """The messages of an item. Raises: InputError that names the message and what is wrong with it."""
    if not isinstance(value, list | tuple) or not value:
        raise _wrong("", f"must be a list of messages; given: {_given(value)}")
    messages = [_message(number, each) for number, each in enumerate(value, start=1)]
    pending = any(isinstance(m.get("content"), list) and any(map(is_pending, m["content"])) for m in messages)
    if not pending:
        _check_json(messages)
    return PendingMessages(messages) if pending else messages


def _check_json(messages: list[Message]) -> None:
    try:
        json.dumps(messages, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        raise _wrong("", "must be JSON") from None


def _message(number: int, value: object) -> Message:
    where = f" {number}"
    if not isinstance(value, Mapping):
        raise _wrong(where, f"must be a dict with role and content; given: {_given(value)}")
    role, content = value.get("role"), value.get("content")
    if role not in _ROLES:
        raise _wrong(where, f"must have a role, one of {', '.join(_ROLES)}; given: {role!r:.40}")
    if isinstance(content, list | tuple):
        return {**value, "content": parts_of(content, where)}
    has_more = role == "assistant" and bool(value.keys() - {"role", "content"})
    if not isinstance(content, str) and not (content is None and has_more):
        raise _wrong(where, f"must have a content that is a string or a list of parts; given: {_given(content)}")
    if role == "tool" and not isinstance(value.get("tool_call_id"), str):
        raise _wrong(where, "must have a tool_call_id")
    return dict(value)


def looks_like_parts(value: object) -> bool:
    """Whether a list is meant as content parts: any of its elements is one."""
    return isinstance(value, list | tuple) and any(
        isinstance(part, Image | Document) or (isinstance(part, Mapping) and part.get("type") in _PARTS)
        for part in value
    )


def parts_of(content: list[object] | tuple[object, ...], where: str = "") -> list[Message]:
    """Content parts, checked. Raises: InputError."""
    if not content:
        raise _wrong(where, "must have at least one part in its content")
    return [_part(part, where) for part in content]


def _part(part: object, where: str) -> Message:
    if isinstance(part, Image):
        return {"type": "image_url", "image_url": part}
    if isinstance(part, Document):
        return {"type": "file", "file": part}
    kind = part.get("type") if isinstance(part, Mapping) else None
    if not isinstance(part, Mapping) or kind not in _PARTS:
        known = ", ".join(_PARTS)
        raise _wrong(where, f"must have parts with a type, one of {known}; given: {_given(part)} {kind or ''!r:.40}")
    name, form = _PARTS[str(kind)]
    if not isinstance(part.get(name), form | Image | Document):
        raise _wrong(where, f"must have {name!r}, a {form.__name__}, in its part {kind!r}")
    _check_url(part.get(name), str(kind), where)
    return dict(part)


def _check_url(about: object, kind: str, where: str) -> None:
    if not kind.endswith("_url") or not isinstance(about, dict):
        return
    url = about.get("url")
    if not isinstance(url, str) or not url.lower().startswith(("http://", "https://", "data:")):
        raise _wrong(where, f"must have a URL in its part {kind!r}; a local file is given as an Image")


def is_pending(part: Mapping[str, object]) -> bool:
    """Whether a part holds an image or a document that has to be read."""
    return isinstance(part.get("image_url"), Image) or isinstance(part.get("file"), Document)


def _wrong(where: str, what: str) -> InputError:
    return InputError(f"message{where} {what}" if where else f"the content {what}")


def _given(value: object) -> str:
    return f"a {type(value).__name__}"
