"""Writes nodes/option_texts.py from docs/options.md, so that Kailash's catalog says what the page says.

python -m tests.docs.option_texts
"""

import re

from kaizen_batch import BatchConfig
from tests.docs.pages import DOCS, ROOT

TARGET = ROOT / "nodes" / "option_texts.py"

_HEAD = '''"""What each option means and allows. Written from docs/options.md by `python -m tests.docs.option_texts`."""

# ruff: noqa: E501, RUF001 - the lines are those of the page

OPTION_TEXTS = {
'''
_ROW = re.compile(r"^\| `(\w+)` \| .*? \| (.*?) \| (.*?) \|$", re.MULTILINE)
_SEE_ALSO = re.compile(r"(: \[[^\]]+\]\([^)]*\)|: see below)$")
_LINK = re.compile(r"\[([^\]]+)\]\([^)]*\)")


def texts() -> dict[str, str]:
    """For each option of BatchConfig its meaning, then what it allows, without the page's links."""
    page = (DOCS / "options.md").read_text(encoding="utf-8")
    rows = {name: row for name, *row in _ROW.findall(page) if name in BatchConfig.model_fields}
    return {name: f"{_sentence(meaning)}. Allowed: {_plain(allowed)}." for name, (allowed, meaning) in rows.items()}


def source() -> str:
    """The module as it should be."""
    return _HEAD + "".join(f"    {_quoted(name)}: {_quoted(text)},\n" for name, text in sorted(texts().items())) + "}\n"


def _sentence(markdown: str) -> str:
    text = _plain(markdown)
    return text[:1].upper() + text[1:]


def _plain(markdown: str) -> str:
    return _LINK.sub(r"\1", _SEE_ALSO.sub("", markdown)).replace("`", "")


def _quoted(text: str) -> str:
    return f'"{text}"' if '"' not in text else f"'{text}'" if "'" not in text else repr(text)


if __name__ == "__main__":
    TARGET.write_text(source(), encoding="utf-8")
