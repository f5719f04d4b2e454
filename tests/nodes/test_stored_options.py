"""What a node keeps of its options: plain values without a key, and import paths of objects."""

from pathlib import Path
from typing import Any

import pytest

from kaizen_batch import BatchConfig, ConfigError, ProcessingSignature
from kaizen_batch.nodes.stored_options import by_path, plain, resolved, stored_inputs, stored_options

SIGNATURE = "kaizen_batch.signature:ProcessingSignature"


def test_the_key_is_not_stored_and_the_endpoint_is_under_a_name_that_kailash_keeps() -> None:
    config = BatchConfig(
        model="m", api_key="sk-secret", base_url="http://127.0.0.1:1/v1", price={"input": 1, "output": 2}
    )
    assert stored_options(config) == {
        "model": "m",
        "endpoint": "http://127.0.0.1:1/v1",
        "price": {"input": 1, "output": 2},
    }


def test_values_are_those_that_json_and_safe_yaml_know() -> None:
    assert plain({"a": (Path("x"), [1, None]), "b": "text"}) == {"a": ["x", [1, None]], "b": "text"}
    assert stored_inputs({"batch": ({"text": "a"},), "input_path": Path("in.csv")}) == {
        "batch": [{"text": "a"}],
        "input_path": "in.csv",
    }


@pytest.mark.parametrize("once", [iter([1]), (number for number in [1])])
def test_a_batch_that_can_be_read_only_once_is_refused(once: Any) -> None:
    with pytest.raises(ConfigError, match="can be read only once"):
        stored_inputs({"batch": once})


def test_an_object_with_an_import_path_is_stored_by_it_and_found_again() -> None:
    assert by_path(ProcessingSignature) == SIGNATURE
    assert resolved(SIGNATURE) is ProcessingSignature


def test_an_object_without_an_import_path_is_kept() -> None:
    class Local:
        pass

    for thing in (Local, Local(), lambda: None):
        assert by_path(thing) is thing and resolved(thing) is thing
