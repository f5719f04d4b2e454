"""docs/architecture.md: every place that it names exists, and the diagrams and hops are those of the code."""

import ast
import asyncio
import re
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import CodeType, FrameType

import pytest

import kaizen_batch
from kaizen_batch import BatchProcessorAgent
from kaizen_batch.simulator import Simulator
from tests.docs.pages import DOCS, ROOT

PACKAGE = Path(kaizen_batch.__file__).parent
PAGE = (DOCS / "architecture.md").read_text(encoding="utf-8")
PLACES = sorted(set(re.findall(r"`([\w./]+\.py):([\w.]+)`", PAGE)))
HOPS = [f"{file}:{name}" for _, file, name in re.findall(r"^\| (\d+) \| `([\w./]+):([\w.]+)` \|", PAGE, re.MULTILINE)]
QUESTIONS = (
    "Where is a 429 decided?",
    "Where is a row written?",
    "Where do I add a provider?",
    "Where do I add a file format?",
    "Where is the budget reserved?",
)


@cache
def definitions(file: str) -> set[str]:
    """The classes, functions and methods of a module, by qualified name."""
    return set(_defined(ast.parse((PACKAGE / file).read_text(encoding="utf-8")), ""))


def _defined(node: ast.AST, prefix: str) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield prefix + child.name
            yield from _defined(child, f"{prefix}{child.name}.")


@pytest.mark.parametrize(("file", "name"), PLACES)
def test_a_place_that_the_page_names_exists(file: str, name: str) -> None:
    assert (PACKAGE / file).is_file()
    assert name in definitions(file)


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_is_answered_with_a_function(question: str) -> None:
    [answer] = re.findall(rf"^\| {re.escape(question)} \| (.*) \|$", PAGE, re.MULTILINE)
    assert re.search(r"`[\w./]+\.py:[\w.]+`", answer)


def test_the_diagram_of_the_packages_shows_the_layers_that_import_linter_enforces() -> None:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = config["tool"]["importlinter"]["contracts"]
    [layers] = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    enforced = [[name.strip() for name in layer.split("|")] for layer in layers if layer != "__main__"]
    shown = [row.split(" · ") for row in re.findall(r"^│ (\w+(?: · \w+)*) +│", PAGE, re.MULTILINE)]
    assert shown == enforced


def test_the_diagram_of_the_packages_shows_all_of_them() -> None:
    shown = {name for row in re.findall(r"^│ (\w+(?: · \w+)*) +│", PAGE, re.MULTILINE) for name in row.split(" · ")}
    modules = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__", "__main__"}
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert shown == modules | packages


def test_the_hops_are_those_of_a_real_item_in_order(tmp_path: Path) -> None:
    called, sent_from = traced_run(tmp_path)
    assert [hop for hop in HOPS if hop not in called] == []
    assert sorted(HOPS, key=called.index) == HOPS
    assert [hop for hop in sent_from if hop not in HOPS] == [], "functions on the way to the connection, but not hops"


def traced_run(folder: Path) -> tuple[list[str], list[str]]:
    """Process one item over HTTP with a journal.

    Returns the functions of the package in the order of their first calls, and those from which the bytes were sent.
    """
    called: dict[str, None] = {}
    sent_from: list[str] = []

    def note(frame: FrameType, event: str, _: object) -> None:
        name = place_of(frame.f_code)
        if event != "call" or name is None:
            return
        called.setdefault(name)
        if name == SENDS and not sent_from:
            sent_from.extend(above(frame))

    async def main() -> None:
        agent = BatchProcessorAgent(base_url=simulator.base_url, journal=str(folder / "run.db"))
        await agent.process_batch(["an item that builds and caches what all share"])
        sys.setprofile(note)
        try:
            await agent.process_batch(["an item"])
        finally:
            sys.setprofile(None)

    with Simulator() as simulator:
        asyncio.run(main())
    return list(called), sent_from


SENDS = "providers/http/http11.py:Connection.ask"


def above(frame: FrameType | None) -> list[str]:
    """The functions of the package on the stack, this one included."""
    names = []
    while frame is not None:
        names.append(place_of(frame.f_code))
        frame = frame.f_back
    return [name for name in names if name is not None]


def place_of(code: CodeType) -> str | None:
    """Where a function of the package is, in the notation of the page."""
    path = Path(code.co_filename)
    return f"{path.relative_to(PACKAGE)}:{code.co_qualname}" if path.is_relative_to(PACKAGE) else None
