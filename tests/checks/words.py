"""One word for one thing: no identifier has a retired name, and no text has a phrase that reads like a translation.

docs/glossary.md has the words in use. `python -m tests.checks.words` lists what the checks find.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("kaizen_batch", "nodes", "workflows")
ENGINE = ("agents", "concurrency", "engine", "limits", "strategies")
"""The packages where the words of RETIRED_IN_THE_ENGINE had their old sense."""

RETIRED = {
    "lane": "upstream",
    "flights": "in_progress, coalesce",
    "parked": "release_slot",
    "permit": "slot",
    "pump": "wake",
    "ticket": "reservation",
    "gate": "circuit breaker, pause",
    "tally": "run metrics",
    "mend": "fix",
    "telling": "rate limit headers",
    "exits": "exit_codes",
    "wire": "http",
    "adaptederror": "UnsupportedParameterError",
    "neverfitserror": "ItemTooLargeError",
}
"""Retired everywhere, in names of tests too."""
RETIRED_IN_SOURCES = {"tell": "emit, notify", "told": "emit, notify"}
RETIRED_IN_COMMANDS = {"said": "detail"}
RETIRED_IN_THE_ENGINE = {
    "alone": "coalesce",
    "enter": "acquire",
    "fresh": "execute",
    "hold": "pause",
    "held": "pause",
    "leave": "release",
    "lengths": "latency_model",
    "line": "wait queue",
    "lost": "fail",
    "place": "slot",
    "places": "slots",
    "settle": "commit",
    "shared": "coalesce",
    "take": "reserve",
}
"""Retired in the sources of the packages of ENGINE: elsewhere these are ordinary words."""
RETIRED_MODULES = {
    "announced",
    "answer",
    "exits",
    "connection",
    "direct",
    "flights",
    "gate",
    "lane",
    "lengths",
    "line",
    "tally",
    "wire",
    "window",
}


@dataclass(frozen=True)
class OtherSense:
    """Identifiers that have a retired word in another sense: in `path` (a file or folder), for a reason."""

    identifiers: str
    path: str
    reason: str


OTHER_SENSES = (
    OtherSense("__enter__ enter_context enter_async_context", "", "Python's own names"),
    OtherSense("Ticket", "tests", "the support tickets of the examples"),
    OtherSense("shared", "kaizen_batch/limits", "limits that several agents share"),
    OtherSense("shared", "kaizen_batch/engine", "limits that several agents share"),
    OtherSense("take", "kaizen_batch/engine", "the reader takes the next result"),
    OtherSense("held _held_by", "kaizen_batch/limits/queue.py", "a limit holds a queue back"),
    OtherSense("_held", "kaizen_batch/limits/adaptive.py", "throttles hold the limit down"),
    OtherSense("_hold_s", "kaizen_batch/limits/windows.py", "how long a call keeps its share of a rate window"),
    OtherSense("_leave", "kaizen_batch/limits/windows.py", "a call leaves a rate window"),
    OtherSense("lengths", "kaizen_batch/limits/token_estimate.py", "the lengths of answers"),
    OtherSense("place _place", "kaizen_batch/limits", "a position in a list"),
    OtherSense("one_line", "kaizen_batch/engine", "a text in one line"),
)

PHRASES = (
    r"killed at any moment",
    r"goes? on where it (ended|was)",
    r"needs no program",
    r"stands? in (`|its|the file)",
    r"disturbs? (no|any|another)",
    r"everyone waits",
    r"use up the item's attempts",
    r"before (anyone|anybody) (sees|is told)",
    r"the endpoint bears",
    r"may go on when a run",
    r"so many of the others",
    r"held back for order",
    r"leaves its place",
    r"put to the length",
    r"\bthe mend\b",
    r"\bmends?\b(?!`)(?!\")",
    r"for nothing\b",
    r"told in one place",
    r"told apart",
    r"and nothing else, is asked",
    r"costs nothing",
    r"what became of",
    r"comes? to its end",
    r"is no (text|row|number|item|agent|signature|dict)\b",
    r"that there (is|are) not\b",
    r"\bas it stands\b",
    r"whatever (happens|it is)\b",
    r"serialis|\bbehaviour|\bcolour|normalis|recognis",
)
TEXTS = ("*.md", "*.py", "*.html", "*.js", "*.toml", "*.rst")


@dataclass(frozen=True)
class Finding:
    """A place with a word or phrase to replace."""

    path: str
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.what}"


@cache
def files(*patterns: str) -> tuple[Path, ...]:
    """The files of the project, without links, environments and build products."""
    roots = [ROOT / name for name in (*SOURCES, "tests", "benchmarks", "docs")]
    found = {path for root in roots for pattern in patterns for path in root.rglob(pattern)}
    found |= {path for pattern in patterns for path in ROOT.glob(pattern)}
    links = {ROOT / "kaizen_batch" / name for name in SOURCES}
    return tuple(sorted(path for path in found if not links & set(path.parents)))


def words(identifier: str) -> set[str]:
    """The words of a snake_case or CamelCase identifier, in lower case, and the whole of it."""
    parts = [re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", part) for part in identifier.split("_")]
    return {word.lower() for part in parts for word in part} | {identifier.lower()}


def identifiers(path: Path) -> Iterator[tuple[str, int]]:
    """Every name that a module defines or uses, with its line."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        line = getattr(node, "lineno", 0)
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name, line
            case ast.arg(arg=name) | ast.Name(id=name) | ast.Attribute(attr=name) | ast.keyword(arg=str(name)):
                yield name, line
            case ast.alias(name=name, asname=asname):
                yield asname or name.rpartition(".")[2], line


def retired_words(path: Path) -> dict[str, str]:
    """The words that a file must not use, with their replacements."""
    top, *folders = path.relative_to(ROOT).parts[:-1] or ("",)
    if top not in SOURCES:
        return RETIRED
    package = folders[0] if folders else ""
    in_the_engine = RETIRED_IN_THE_ENGINE if package in ENGINE else {}
    in_commands = RETIRED_IN_COMMANDS if package == "commands" else {}
    return RETIRED | RETIRED_IN_SOURCES | in_the_engine | in_commands


def allowed(identifier: str, path: str) -> bool:
    """Whether the identifier has another sense in this file."""
    return any(identifier in other.identifiers.split() and path.startswith(other.path) for other in OTHER_SENSES)


def retired_identifiers() -> Iterator[Finding]:
    """Every identifier with a retired word."""
    for path in files("*.py"):
        name, retired = path.relative_to(ROOT).as_posix(), retired_words(path)
        if path.stem in RETIRED_MODULES and path.parts[-2] != "tests":
            yield Finding(name, 1, f"the module name {path.stem!r} is retired")
        for identifier, line in identifiers(path):
            for word in sorted(words(identifier) & retired.keys()):
                if not allowed(identifier, name):
                    yield Finding(name, line, f"{identifier!r}: instead of {word!r} use {retired[word]!r}")


def translated_phrases() -> Iterator[Finding]:
    """Every phrase that reads like a translation, also across a line break."""
    pattern = re.compile("|".join(f"(?:{phrase.replace(' ', chr(92) + 's+')})" for phrase in PHRASES), re.IGNORECASE)
    for path in files(*TEXTS):
        if path.parent == Path(__file__).parent or (path.suffix == ".js" and path.name.startswith("uPlot")):
            continue
        text = path.read_text(encoding="utf-8")
        for found in pattern.finditer(text):
            yield Finding(path.relative_to(ROOT).as_posix(), text.count("\n", 0, found.start()) + 1, repr(found[0]))


if __name__ == "__main__":
    for finding in (*retired_identifiers(), *translated_phrases()):
        print(finding)
