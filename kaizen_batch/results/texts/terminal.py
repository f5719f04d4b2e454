"""The one function that makes foreign text safe to print.

Texts of endpoints, rows, column and file names may hold control characters. A terminal obeys them: they move the
cursor, rename the window, write the clipboard (OSC 52), or reorder what is read (bidi, "Trojan Source",
CVE-2021-42574). Here each of them becomes its escape, `\\u001b`, which shows what was there and does nothing. The
escape is that of JSON, so JSON stays valid.
"""

import re
from collections.abc import Iterable

_C0_AND_C1 = "\x00-\x08\x0b-\x1f\x7f-\x9f"
_BIDI = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_INVISIBLE = "\u2028\u2029\ufeff\U000e0000-\U000e007f\ud800-\udfff"
_UNSAFE = re.compile(f"[{_C0_AND_C1}{_BIDI}{_INVISIBLE}]")
_LABEL_WIDTH = 10
_LINE_BREAKS = str.maketrans({"\n": "\\n", "\t": " "})


def printable(text: str) -> str:
    """Text that only prints: control, bidi and invisible characters become escapes; line breaks and tabs stay.

    >>> printable("\\x1b]0;owned\\x07")
    '\\\\u001b]0;owned\\\\u0007'
    """
    return _UNSAFE.sub(_escaped, text) if not text.isascii() or not text.isprintable() else text


def one_line(text: str, limit: int | None = None) -> str:
    """The same on one line, shortened to at most `limit` characters, between words where there are some."""
    line = printable(text if limit is None else text[: 4 * limit]).translate(_LINE_BREAKS)
    if limit is None or len(line) <= limit:
        return line
    cut = line[: limit - 3]
    at_word = cut.rpartition(" ")[0]
    return f"{at_word if len(at_word) > 0.6 * limit else cut}..."


def wrapped(parts: Iterable[str], width: int, *, gap: str = "  ") -> list[str]:
    """Parts side by side, as many to a line as fit; a part longer than a line breaks between words."""
    lines: list[str] = []
    for part in parts:
        if lines and len(lines[-1]) + len(gap) + len(part) <= width:
            lines[-1] += gap + part
        else:
            lines += _broken(part, width)
    return lines


def laid_out(label: str, text: str, width: int) -> list[str]:
    """A label and its text below each other in two columns, broken between words."""
    indent = _LABEL_WIDTH if label else 0
    first, *rest = wrapped([text], max(20, width - indent)) or [""]
    return [f"{label:{indent}s}{first}", *(" " * indent + each for each in rest)]


def _broken(text: str, width: int) -> list[str]:
    from textwrap import wrap

    if len(text) <= width:
        return [text]
    return wrap(text, max(1, width), break_on_hyphens=False) or [""]


def _escaped(match: "re.Match[str]") -> str:
    code = ord(match[0])
    if code > 0xFFFF:  # JSON writes it as a surrogate pair
        code -= 0x10000
        return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
    return f"\\u{code:04x}"
