"""Kailash's catalog, made by Kailash's own generator, says what docs/options.md says."""

import json
from typing import Any, Literal, get_args, get_origin

import pytest
from kailash.middleware.core.schema import NodeSchemaGenerator
from pydantic import BaseModel

import kaizen_batch.nodes.kailash_types
from kaizen_batch import BatchConfig, BatchProcessorAgent, ConfigError, JoinResultsNode, PromptTemplateNode
from kaizen_batch.nodes.catalog import NODE, Parameter
from tests.docs.option_texts import texts

NODES = [BatchProcessorAgent, JoinResultsNode, PromptTemplateNode]
SHOWN = sorted(set(BatchConfig.model_fields) - {"api_key", "base_url"})


def schema_of(node: type) -> dict[str, Any]:
    return NodeSchemaGenerator().generate_node_schema(node)  # type: ignore[no-any-return]


def parameters_of(node: type) -> dict[str, Any]:
    return {each["name"]: each for each in schema_of(node)["parameters"]}


@pytest.mark.parametrize("node", NODES)
def test_a_node_has_a_short_description_tags_category_and_version(node: type) -> None:
    schema = schema_of(node)
    assert schema["description"] == (node.__doc__ or "").splitlines()[0]
    assert len(schema["description"]) < 100
    assert (schema["category"], schema["version"]) == ("ai", kaizen_batch.__version__)
    assert "batch" in schema["tags"]
    json.dumps(schema)


@pytest.mark.parametrize("node", NODES)
def test_every_parameter_and_output_is_described(node: type) -> None:
    for name, each in parameters_of(node).items():
        assert each["description"].endswith("."), name
    outputs = node().get_output_schema()
    assert outputs
    for name, output in outputs.items():
        assert (output.name, output.type in (list, dict), output.description.endswith(".")) == (name, True, True)


@pytest.mark.parametrize("name", SHOWN)
def test_an_option_is_shown_as_the_page_has_it(name: str) -> None:
    shown, field = parameters_of(BatchProcessorAgent)[name], BatchConfig.model_fields[name]
    assert shown["description"] == texts()[name]
    default = field.get_default(call_default_factory=True)
    if not isinstance(default, BaseModel):
        assert shown["default"] == (list(default) if isinstance(default, tuple) else default)
    if get_origin(field.annotation) is Literal:
        assert [option["value"] for option in shown["options"]] == list(get_args(field.annotation))
    for bound, beyond in (("min", -1), ("max", 1)):
        if bound in shown["validation"]:
            with pytest.raises(ConfigError, match=name):
                BatchConfig(**{name: shown["validation"][bound] + beyond})


def test_the_types_are_those_of_json() -> None:
    types = {name: each["type"] for name, each in parameters_of(BatchProcessorAgent).items()}
    some = ("batch", "prompt", "max_concurrent", "temperature", "adaptive", "retry", "journal", "on_error", "fallbacks")
    assert [types[name] for name in some] == [
        "array", "string", "integer", "float", "boolean", "object", "string", "string", "array",
    ]  # fmt: skip


def test_neither_the_key_nor_a_name_that_kailash_removes_is_shown() -> None:
    assert not {"api_key", "base_url"} & parameters_of(BatchProcessorAgent).keys()
    assert {"endpoint", *NODE} <= parameters_of(BatchProcessorAgent).keys()


def test_the_types_of_the_catalog_convert_nothing() -> None:
    """Kailash would make a list of a text, and a text of a number."""
    agent = BatchProcessorAgent(llm_provider="mock", batch=("a", "b"), temperature=1)
    assert agent.config["batch"] == ["a", "b"]
    assert agent.validate_inputs(batch="text", max_concurrent=2.5) == {"batch": "text", "max_concurrent": 2.5}
    assert "model" not in agent.config  # a default is not written into the configuration


def test_a_parameter_is_one_of_kailashs() -> None:
    assert issubclass(Parameter, kaizen_batch.nodes.kailash_types.NodeParameter)
