"""How many tokens the images of a request take, from their size in pixels, as the makers of models document it.

Sources: https://platform.openai.com/docs/guides/images-vision#calculating-costs. For models of others, one token for
each 700 pixels and 1,000 more bound what Anthropic, Google and Qwen document. Nothing bounds a document, or an image
behind a URL.
"""

import base64
import math
import re
import struct
from collections.abc import Iterator
from typing import NamedTuple

from kaizen_batch.signature.media import Message

_PATCHED = (
    ("gpt-4.1-mini", 1.62),
    ("gpt-4.1-nano", 2.46),
    ("o4-mini", 1.72),
    ("gpt-5-mini", 1.62),
    ("gpt-5-nano", 2.46),
)
_TILED = (
    ("gpt-4o-mini", 2833, 5667),
    ("gpt-4o", 85, 170),
    ("gpt-4.1", 85, 170),
    ("gpt-4.5", 85, 170),
    ("gpt-5", 70, 140),
    ("o1", 75, 150),
    ("o3", 75, 150),
)
_MOST_PATCHES = 1536
_LOW = 512
_HEAD = 2**18  # characters of base64 that hold the size of any usual image


class MediaSize(NamedTuple):
    """The `characters` of a body that are media, the `tokens` that these take, and whether that is a bound."""

    characters: int
    tokens: int
    is_bound: bool


def media_size(messages: list[Message], model: str) -> MediaSize | None:
    """What the media of messages count; None if there are none."""
    for message in messages:
        if isinstance(message.get("content"), list):
            break
    else:
        return None  # nearly always
    parts = list(_media_parts(messages))
    if not parts:
        return None
    counted = [_counted(part, model) for part in parts]
    return MediaSize(
        sum(each.characters for each in counted),
        sum(each.tokens for each in counted),
        all(each.is_bound for each in counted),
    )


def _media_parts(messages: list[Message]) -> Iterator[Message]:
    for message in messages:
        content = message.get("content")
        if isinstance(content, list):
            yield from (part for part in content if isinstance(part, dict) and part.get("type") != "text")


def _counted(part: Message, model: str) -> MediaSize:
    about = part.get("image_url")
    url = about.get("url") if isinstance(about, dict) else None
    if not isinstance(url, str):
        inner = part.get("file") or part.get("input_audio") or {}
        data = inner.get("file_data") or inner.get("data") if isinstance(inner, dict) else None
        length = len(data) if isinstance(data, str) else 0
        return MediaSize(length, length, False)
    size, low = pixels(url), isinstance(about, dict) and about.get("detail") == "low"
    return MediaSize(0, 0, False) if size is None else MediaSize(len(url), image_tokens(model, *size, low=low), True)


def image_tokens(model: str, width: int, height: int, *, low: bool = False) -> int:
    """The tokens of an image of so many pixels, at most.

    >>> image_tokens("gpt-4o", 1024, 1024)
    765
    """
    name = model.rpartition("/")[2].removeprefix("ft:")
    for start, factor in _PATCHED:
        if name.startswith(start):
            return math.ceil(min(_MOST_PATCHES, math.ceil(width / 32) * math.ceil(height / 32)) * factor)
    for start, base, per_tile in _TILED:
        if name.startswith(start):
            return base if low else base + per_tile * _tiles(width, height)
    return math.ceil(width * height / 700) + 1000


def _tiles(width: int, height: int) -> int:
    """Tiles of 512 pixels, after scaling into 2048 x 2048, and then the shorter side down to 768."""
    scale = min(1.0, 2048 / max(width, height))
    width, height = round(width * scale), round(height * scale)
    scale = min(1.0, 768 / min(width, height))
    return math.ceil(round(width * scale) / _LOW) * math.ceil(round(height * scale) / _LOW)


def pixels(url: str) -> tuple[int, int] | None:
    """Width and height of the image in a data URL; None if they cannot be read."""
    head, comma, data = url.partition(",")
    if not comma or not head.lower().startswith("data:image/"):
        return None
    try:
        start = base64.b64decode(data[:_HEAD][: len(data[:_HEAD]) // 4 * 4])
        size = _size(start)
    except (ValueError, struct.error, IndexError):
        return None
    return size if size is not None and min(size) > 0 else None


def _size(start: bytes) -> tuple[int, int] | None:
    if start.startswith(b"\x89PNG"):
        return struct.unpack(">II", start[16:24])
    if start.startswith(b"GIF8"):
        return struct.unpack("<HH", start[6:10])
    if start.startswith(b"\xff\xd8"):
        return _size_of_jpeg(start)
    return _size_of_webp(start) if start[8:12] == b"WEBP" else None


_FRAMES = frozenset((*range(0xC0, 0xD0),)) - {0xC4, 0xC8, 0xCC}


def _size_of_jpeg(start: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 <= len(start) and start[at] == 0xFF:
        if start[at + 1] in _FRAMES:
            height, width = struct.unpack(">HH", start[at + 5 : at + 9])
            return width, height
        at += 2 + struct.unpack(">H", start[at + 2 : at + 4])[0]
    return None


def _size_of_webp(start: bytes) -> tuple[int, int] | None:
    kind = start[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(start[24:27], "little"), 1 + int.from_bytes(start[27:30], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(start[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    found = re.match(rb"\x9d\x01\x2a(..)(..)", start[23:30], re.DOTALL) if kind == b"VP8 " else None
    if found is None:
        return None
    width, height = (int.from_bytes(found[n], "little") & 0x3FFF for n in (1, 2))
    return width, height
