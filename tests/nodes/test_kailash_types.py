"""The typed face of Kailash: what it declares is there, and takes what it says."""

import ast
import inspect
from pathlib import Path

import pytest

from kaizen_batch.nodes import JoinResultsNode, kailash_types

_DECLARED = next(node for node in ast.parse(Path(kailash_types.__file__).read_text()).body if isinstance(node, ast.If))
_METHODS = [
    (owner.name, method)
    for owner in _DECLARED.body
    if isinstance(owner, ast.ClassDef)
    for method in owner.body
    if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef)
]


@pytest.mark.parametrize("name", sorted({*kailash_types.__all__} - {"NodeData"}))
def test_every_name_is_kailash_s_own(name: str) -> None:
    thing = getattr(kailash_types, name)
    assert name == "current_progress_registry" or thing.__module__.startswith("kailash.")


@pytest.mark.parametrize(("owner", "method"), _METHODS, ids=lambda part: getattr(part, "name", part))
def test_every_declared_method_takes_the_declared_arguments(owner: str, method: ast.FunctionDef) -> None:
    real = getattr(getattr(kailash_types, owner), method.name)
    assert inspect.iscoroutinefunction(real) == isinstance(method, ast.AsyncFunctionDef)
    given = {each.arg: None for each in (*method.args.args, *method.args.kwonlyargs)}
    inspect.signature(real).bind(given.pop("self"), **given)


def test_every_declared_attribute_of_a_node_is_there() -> None:
    node = JoinResultsNode()
    assert isinstance(node._INIT_CAPTURE_EXCLUDE, frozenset)
    assert isinstance(node.id, str)
    assert isinstance(node.config, dict)
