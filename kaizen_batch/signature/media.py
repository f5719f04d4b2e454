"""Images and documents in requests: where they come from, what is checked, and how they are sent.

A part of a message that holds an Image or a Document is pending: `loaded` reads its file and puts in its place what the
endpoint takes. That takes time, so it belongs off the event loop.
"""

import base64
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from kaizen_batch.errors import InputError

Message = dict[str, Any]
"""A message, or a part of one."""
Source = str | bytes | os.PathLike[str]
"""A path, a URL, a data URL, or the content itself."""

MOST_IMAGE_BYTES = 20 * 2**20
MOST_DOCUMENT_BYTES = 50 * 2**20


@dataclass(frozen=True, slots=True)
class Image:
    """An image in a prompt: PNG, JPEG, GIF or WebP, up to 20 MB.

    >>> Image("cat.png", detail="low").detail
    'low'

    `source` is a path, a URL (which the endpoint fetches), a data URL or bytes; `detail` is OpenAI's.
    """

    source: Source
    detail: Literal["auto", "low", "high"] | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """A PDF in a prompt, up to 50 MB.

    >>> Document("invoice.pdf").name is None
    True

    `source` is a path, a URL (which not every endpoint fetches), a data URL or bytes; `name` is what the model sees as
    the name of the file, by default that of the path.
    """

    source: Source
    name: str | None = None


Media = Image | Document


class PendingMessages(list[Message]):
    """Messages with parts that have to be read."""


def media_of(kind: type[Media], value: object) -> Media:
    """An Image or a Document from what an item holds for it. Raises: InputError."""
    if isinstance(value, Image | Document):
        if type(value) is kind:
            return value
        raise InputError(f"a {kind.__name__} is needed; given: a {type(value).__name__}")
    if isinstance(value, dict) and value.keys() <= {"bytes", "path"}:  # as data sets have it
        value = value.get("bytes") or value.get("path")
    if isinstance(value, bytearray | memoryview):
        value = bytes(value)
    if isinstance(value, str | bytes | os.PathLike) and value:
        return kind(value)
    raise InputError(
        f"a {kind.__name__} is a path, a URL, a data URL or bytes; given: {_shown(value)}", code="invalid_media"
    )


def _shown(value: object) -> str:
    return "nothing" if not value else f"a {type(value).__name__}"


def part_of(media: Media) -> Message:
    """The pending part of a message."""
    return {"type": "image_url", "image_url": media} if isinstance(media, Image) else {"type": "file", "file": media}


def loaded(messages: list[Message]) -> list[Message]:
    """The messages with every pending part read and encoded. Raises: InputError for one that cannot be sent."""
    return [
        {**message, "content": [_loaded(part) for part in message["content"]]}
        if isinstance(message.get("content"), list)
        else message
        for message in messages
    ]


def _loaded(part: Message) -> Message:
    if isinstance(part.get("image_url"), Image):
        return {"type": "image_url", "image_url": _image(part["image_url"])}
    if isinstance(part.get("file"), Document):
        return {"type": "file", "file": _document(part["file"])}
    return part


def _image(image: Image) -> dict[str, str]:
    detail = {} if image.detail is None else {"detail": image.detail}
    if _is_url(image.source):
        return {"url": str(image.source), **detail}
    content = _content(image, MOST_IMAGE_BYTES)
    kind = image_type(content)
    if kind is None:
        raise _refused(image, "is not an image that models take: PNG, JPEG, GIF or WebP")
    return {"url": _data_url(kind, content), **detail}


def _document(document: Document) -> dict[str, str]:
    name = document.name or _name(document.source) or "document.pdf"
    if _is_url(document.source):
        return {"filename": name, "file_data": str(document.source)}
    content = _content(document, MOST_DOCUMENT_BYTES)
    if b"%PDF-" not in content[:1024]:
        raise _refused(document, "is not a PDF")
    return {"filename": name, "file_data": _data_url("application/pdf", content)}


def image_type(content: bytes) -> str | None:
    """The media type of an image, by its first bytes; None for anything else."""
    for start, kind in ((b"\x89PNG\r\n\x1a\n", "png"), (b"\xff\xd8\xff", "jpeg"), (b"GIF8", "gif")):
        if content.startswith(start):
            return f"image/{kind}"
    return "image/webp" if content[:4] == b"RIFF" and content[8:12] == b"WEBP" else None


def _is_url(source: Source) -> bool:
    return isinstance(source, str) and source[:8].lower().startswith(("http://", "https://"))


def _name(source: Source) -> str | None:
    if isinstance(source, bytes) or (isinstance(source, str) and source[:5].lower() == "data:"):
        return None
    return os.fspath(source).partition("?")[0].rstrip("/").rpartition("/")[2] or None


def _data_url(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _content(media: Media, most: int) -> bytes:
    source = media.source
    if isinstance(source, bytes):
        content = source
    elif isinstance(source, str) and source[:5].lower() == "data:":
        content = _of_data_url(media, source)
    else:
        content = _of_file(media, Path(source), most)
    if len(content) > most:
        raise _refused(media, f"has {len(content):,} bytes; at most {most:,} are allowed")
    return content


def _of_data_url(media: Media, url: str) -> bytes:
    head, comma, data = url.partition(",")
    try:
        if not comma or not head.lower().endswith(";base64"):
            raise ValueError("no base64")
        return base64.b64decode(data, validate=True)
    except ValueError:
        raise _refused(media, "is a data URL without valid base64") from None


def _of_file(media: Media, path: Path, most: int) -> bytes:
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise _refused(media, "is not a file")
        if found.st_size > most:
            raise _refused(media, f"has {found.st_size:,} bytes; at most {most:,} are allowed")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise _refused(media, f"cannot be read: {getattr(error, 'strerror', None) or error}") from None


def _refused(media: Media, why: str) -> InputError:
    kind, name = type(media).__name__.lower(), _name(media.source)
    return InputError(f"the {kind}{f' {name!r}' if name else ''} {why}", code="invalid_media")
