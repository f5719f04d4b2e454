"""The figures of the structure stay within their bounds."""

import ast
from copy import deepcopy

import pytest

from tests.checks import structure

ALLOWED = {
    "hops of an item": 22,
    "files on its way": 16,
}
"""Figures that miss their bound today, as upper limits: lower one when you clear a place, never raise one.

Hops: the coalescing of identical items, the response reader and the connection are hops of their own since then."""


def test_every_figure_is_within_its_bound() -> None:
    figures = structure.figures()
    assert ALLOWED.keys() <= {found.name for found in figures}
    assert {f.name: f.places for f in figures if f.value > ALLOWED.get(f.name, f.most)} == {}


def test_every_hop_of_the_map_is_a_function() -> None:
    assert len(structure.hops()) > 10
    for file, name in structure.hops():
        assert structure.function_at(file, name).name == name.rpartition(".")[2]


def function(text: str) -> structure.Function:
    node = ast.parse(text).body[0]
    assert isinstance(node, structure.Function)
    return node


@pytest.mark.parametrize(
    ("text", "complexity"),
    [
        ("def f(): return 1", 1),
        ("def f(a):\n if a: return 1\n return 2", 2),
        ("def f(a, b):\n if a and b or not a: return 1", 4),
        ("def f(a):\n for b in a:\n  while b: pass", 3),
        ("def f(a): return [b for b in a if b and b]", 4),
        ("def f(a):\n try: pass\n except A: pass\n except B: pass", 3),
        ("def f(a):\n def g():\n  if a: pass\n return g", 1),
        ("def f(a):\n match a:\n  case 1: pass\n  case _: pass", 3),
    ],
)
def test_complexity_counts_branches_and_boolean_operators(text: str, complexity: int) -> None:
    assert structure.complexity_of(function(text)) == complexity


@pytest.mark.parametrize(
    ("text", "forwards"),
    [
        ("def f(self, a): return self._other.f(a)", True),
        ("async def f(self, a):\n '''Text.'''\n return await g(a, b=1)", True),
        ("def f(a): g(*a)", True),
        ("def f(a): return g(a + 1)", False),
        ("def f(a):\n b = g(a)\n return b", False),
        ("def f(a): return a", False),
    ],
)
def test_a_function_forwards_if_it_only_hands_its_arguments_on(text: str, forwards: bool) -> None:
    assert structure.forwards(function(text)) is forwards


def test_a_method_under_a_condition_belongs_to_its_class() -> None:
    owners = {owner.name for where, each, owner in structure.functions() if "config/models.py" in where and owner}
    methods = [each for where, each, owner in structure.functions() if "config/models.py" in where and not owner]
    assert "BatchConfig" in owners and "__init__" not in {each.name for each in methods}


def test_lines_are_counted_without_the_docstring() -> None:
    assert structure.lines_of(function("def f(\n  a,\n):\n '''One\n two.'''\n b = a\n return b")) == 2
    assert structure.lines_of(function("def f():\n '''Text.'''")) == 1


def test_a_cycle_and_an_upward_import_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = deepcopy(structure.imports())
    graph.add_import(importer="kaizen_batch.errors", imported="kaizen_batch.commands.command")
    monkeypatch.setattr(structure, "imports", lambda: graph)
    assert "kaizen_batch.errors -> kaizen_batch.commands.command" in structure.upward_imports()
    assert any("kaizen_batch.errors" in group for group in structure.cycles())
    assert any("errors" in pair for pair in structure.package_cycles())
