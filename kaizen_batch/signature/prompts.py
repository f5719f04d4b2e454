"""The values of an item as the content of one message: a text, or parts where images or documents are among them."""

import json
from collections.abc import Iterable

from kaizen_batch.signature.media import Document, Image, Message, PendingMessages, part_of
from kaizen_batch.signature.messages import is_pending, looks_like_parts, parts_of, with_system

Parts = list[Message]


def rendered(value: object) -> str | Parts:
    """A value as a text, or as parts if it is an image, a document or a list of parts. Raises: InputError."""
    if isinstance(value, str):
        return value
    if isinstance(value, Image | Document):
        return [part_of(value)]
    if isinstance(value, list | tuple) and looks_like_parts(value):
        return parts_of(value)
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        return str(value)


def labelled(values: Iterable[tuple[str, object]]) -> str | Parts:
    """Several values, each as `name: value`. Raises: InputError."""
    blocks = [(name, rendered(value)) for name, value in values]
    if all(isinstance(content, str) for _, content in blocks):
        return "\n\n".join(f"{name}: {content}" for name, content in blocks)
    parts: Parts = []
    for name, content in blocks:
        parts.append({"type": "text", "text": f"{name}: {content}" if isinstance(content, str) else f"{name}:"})
        parts += content if isinstance(content, list) else []
    return parts


def asked(content: str | Parts, system: str) -> list[Message]:
    """The messages that ask with this content."""
    message: Message = {"role": "user", "content": content}
    if isinstance(content, list) and any(map(is_pending, content)):
        messages: list[Message] = PendingMessages([message])
    else:
        messages = [message]
    return with_system(messages, system) if system else messages
