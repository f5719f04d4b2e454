"""The public API under type checkers: api.py is judged as its comments say, and every public type is known."""

import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import get_type_hints

import pytest

from kaizen_batch import BatchConfig, Price, Result, RetryPolicy, RunConfig, Usage
from kaizen_batch.config import BatchOptions, FallbackOptions, StrategyOptions
from kaizen_batch.limits.retries import RetryOptions
from kaizen_batch.prices import PriceOptions, UsageDict
from kaizen_batch.results import REASONING, ErrorDict, ItemError, ItemResult, ModelEnvelope

ROOT = Path(__file__).parents[2]
API = Path("tests/typing/api.py")
_REJECTED = re.compile(r"# rejected: ([\w-]+) (\w+)$")


def _run(*command: str) -> str:
    """What a checker prints. The first python on PATH says where pyright finds packages; PYTHONPATH adds this one."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}
    ran = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode in (0, 1), ran.stderr
    return ran.stdout


def _found_by_mypy() -> dict[int, set[str]]:
    found = defaultdict(set)
    for line in _run("mypy", "--strict", "--output", "json", str(API)).splitlines():
        problem = json.loads(line)
        if problem["severity"] == "error":
            found[problem["line"]].add(problem["code"])
    return found


def _found_by_pyright() -> dict[int, set[str]]:
    found = defaultdict(set)
    report = json.loads(_run("pyright", "--outputjson", str(API)))
    for problem in report["generalDiagnostics"]:
        found[problem["range"]["start"]["line"] + 1].add(problem["rule"])
    return found


@pytest.mark.parametrize(("found_by", "place"), [(_found_by_mypy, 0), (_found_by_pyright, 1)])
def test_checkers_accept_and_reject_what_api_py_says(found_by, place: int) -> None:
    lines = (ROOT / API).read_text().splitlines()
    expected = {n: match.groups()[place] for n, line in enumerate(lines, 1) if (match := _REJECTED.search(line))}
    found = found_by()
    assert len(expected) > 20
    assert set(found) == set(expected)
    assert {n: code for n, code in expected.items() if code not in found[n]} == {}


def _completeness() -> dict:
    return json.loads(_run("pyright", "--verifytypes", "kaizen_batch", "--ignoreexternal", "--outputjson"))


def test_the_type_of_every_public_symbol_is_known() -> None:
    report = _completeness()["typeCompleteness"]
    unknown = [
        f"{symbol['name']}: {' '.join(each['message'] for each in symbol['diagnostics'])}"
        for symbol in report["symbols"]
        if not symbol["isTypeKnown"] and symbol["isExported"]
    ]
    assert unknown == []
    assert report["completenessScore"] == 1


def test_the_typed_options_of_strategies_retries_and_prices_are_those_of_their_classes() -> None:
    assert {*StrategyOptions.__annotations__, "max_concurrent"} == set(RunConfig.model_fields)
    assert set(RetryOptions.__annotations__) == set(RetryPolicy.model_fields)
    assert set(PriceOptions.__annotations__) == {"input", "output", "cached"}
    assert Price.of({"input": 1, "output": 2, "cached": 3}) == Price(1, 2, 3)


@pytest.mark.parametrize("name", sorted({*BatchOptions.__annotations__, "api_key_env", "unknown"}))
def test_a_fallback_takes_the_options_that_are_typed_for_it(name: str) -> None:
    value = BatchConfig().model_dump().get(name)
    if name in FallbackOptions.__annotations__:
        BatchConfig(fallbacks=[{name: value}])
    else:
        with pytest.raises(ValueError, match="fallbacks"):
            BatchConfig(fallbacks=[{name: value}])


def test_the_typed_envelope_is_what_results_hold() -> None:
    error = ItemError("InputError", "no", "invalid_input", False)
    result = ItemResult(0, {}, error, usage=Usage(1, 2, 3)).to_dict()
    assert result.keys() == {*ModelEnvelope.__annotations__, REASONING}
    assert result["error"].keys() == ErrorDict.__annotations__.keys()
    assert result["usage"].keys() == UsageDict.__annotations__.keys()
    assert type(result) is Result is dict


def test_every_key_of_the_envelope_is_typed_on_its_own() -> None:
    # api.py asserts the type of each key, so that the overloads of Result agree with ModelEnvelope.
    text = (ROOT / API).read_text()
    for name in get_type_hints(ModelEnvelope):
        assert f'assert_type(results[0]["{name}"], ' in text
