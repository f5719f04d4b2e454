"""The table in docs/providers.md: what was run against which server. `python -m tests.interop.table` writes it anew."""

import inspect
import re
from pathlib import Path
from typing import Any

from tests.interop import test_interop

PAGE = Path(__file__).parents[2] / "docs" / "providers.md"
SERVERS = {
    "llama": "llama.cpp",
    "litellm": "LiteLLM proxy",
    "nginx": "nginx",
    "haproxy": "HAProxy",
    "tinyproxy": "tinyproxy",
}
BEGIN, END = "<!-- interop: begin -->\n", "<!-- interop: end -->\n"


def servers_of(test: Any) -> set[str]:
    """The servers that a test runs against: its parameters, or its fixtures."""
    marks = [mark for mark in getattr(test, "pytestmark", ()) if mark.args[0] == "server"]
    return {server for mark in marks for server in mark.args[1]} | (SERVERS.keys() & inspect.signature(test).parameters)


def table() -> str:
    """The rows are the names of the tests, in words."""
    lines = [f"| | {' | '.join(SERVERS.values())} |", f"|---{'|---' * len(SERVERS)}|"]
    for name, test in vars(test_interop).items():
        if name.startswith("test_"):
            words = re.sub(r"^llama cpp ", "", name.removeprefix("test_").replace("_", " "))
            cells = ("yes" if server in servers_of(test) else "" for server in SERVERS)
            lines.append(f"| {words} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def renewed(text: str) -> str:
    """The page with the table of today."""
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}{table()}{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
