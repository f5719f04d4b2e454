"""Messages of a conversation with something added to their instructions."""

from typing import Any

Message = dict[str, Any]

_SYSTEM = ("system", "developer")


def with_system(messages: list[Message], text: str) -> list[Message]:
    """The messages, with a text at the end of their first system message, or as one of their own before them.

    >>> with_system([{"role": "user", "content": "hi"}], "Be brief.")
    [{'role': 'system', 'content': 'Be brief.'}, {'role': 'user', 'content': 'hi'}]
    """
    first = messages[0] if messages else {}
    if first.get("role") not in _SYSTEM:
        return [{"role": "system", "content": text}, *messages]
    content = first.get("content") or ""
    if isinstance(content, list):
        return [{**first, "content": [*content, {"type": "text", "text": text}]}, *messages[1:]]
    return [{**first, "content": f"{content}\n\n{text}" if content else text}, *messages[1:]]
