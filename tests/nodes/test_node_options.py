"""The options of an agent node: who they are for, how they are stored, where the key comes from."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from kailash.runtime.async_local import AsyncLocalRuntime
from kailash.runtime.local import LocalRuntime
from kailash.runtime.secret_provider import SecretNotFoundError, SecretProvider
from kailash.sdk_exceptions import NodeValidationError
from kailash.utils.export import export_workflow
from kailash.workflow.builder import WorkflowBuilder
from kailash.workflow.graph import Workflow

from kaizen_batch import BatchConfig, BatchProcessorAgent, BatchSettings, ConfigError, Price, RetryPolicy
from kaizen_batch.nodes.node_options import NODE_OPTIONS
from kaizen_batch.simulator import Simulator

KEY = "sk-from-the-vault-4f1d9a77"

# One value for each option of a model or a run, in the richest form that it has.
OPTIONS: dict[str, Any] = {
    "llm_provider": "mock",
    "model": "small",
    "temperature": 0.5,
    "max_tokens": 100,
    "system_prompt": "Be brief.",
    "parameters": {"seed": 7, "stop": ["END"]},
    "headers": {"X-Tenant": "${TENANT}"},
    "fallbacks": ("larger", {"model": "largest", "max_tokens": 300}),
    "provider_options": {"latency_s": 0.0, "own": (1, Path("x"))},
    "structured": "prompt",
    "on_truncated": "fail",
    "on_empty": "keep",
    "max_concurrent": 3,
    "adaptive": True,
    "requests_per_second": 20,
    "requests_per_minute": 600,
    "requests_per_day": 10_000,
    "pacing": "even",
    "rate_counts_from": "answer",
    "tokens_per_minute": 60_000,
    "journal": Path("run.db"),
    "budget_usd": 1.5,
    "price": Price(input=1, output=2),
    "timeout_s": 20.0,
    "deadline_s": 600.0,
    "grace_s": 1.0,
    "hedge_after": 0.95,
    "retry": RetryPolicy(attempts=2, wait_initial=0.1),
    "max_reasks": 2,
    "on_error": "raise",
    "wait_for_endpoint_s": 5.0,
    "buffer_bytes": 2**20,
    "window": 300,
    "labels": {"run": "nightly"},
    "mode": "flex",
    "finish_by": "6h",
    "detach": True,
    "batches": BatchSettings(rows=100, price=Price(input=0.5, output=1)),
    "endpoint": "http://127.0.0.1:9/v1",
    "endpoint_name": "ours",
    "signature": "kaizen_batch.signature:ProcessingSignature",
    "batch": ("a", {"prompt": ("b", Path("c"))}),
    "prompt": "a",
    "template": "Say {text}",
    "input_path": Path("in.csv"),
    "output_path": Path("out.csv"),
    "on_stop": "raise",
    "runtime_inputs": ("endpoint", "journal"),
    "runtime_folder": Path("open"),
    "endpoint_keys": {"http://127.0.0.1:9/v1": "OTHER_KEY"},
    "executor": "ray",
    "ray_address": "auto",
    "workers": 4,
    "run_folder": Path("shared.run"),
    "secret_provider": "tests.nodes.test_node_options:Vault",
    "api_key_secret": "openai-key",
}


class Vault(SecretProvider):
    """Kailash's interface to a store of secrets; it counts how often it is asked."""

    def __init__(self, **secrets: str) -> None:
        self.secrets = secrets
        self.asked: list[str] = []

    def get_secret(self, name: str, version: str | None = None) -> str:
        self.asked.append(name)
        if name not in self.secrets:
            raise SecretNotFoundError(f"no {name}")
        return self.secrets[name]

    def list_secrets(self) -> list[str]:
        return list(self.secrets)


VAULT = Vault(**{"openai-key": KEY})


def test_every_option_is_tried_here() -> None:
    """A new option gets a value above, so that it is stored and exported in the tests below."""
    assert set(OPTIONS) >= set(BatchConfig.model_fields) - {"api_key", "base_url"}
    assert set(OPTIONS) >= set(NODE_OPTIONS)


def by_name(options: dict[str, Any]) -> Workflow:
    builder = WorkflowBuilder()
    builder.add_node("BatchProcessorAgent", "ask", options)
    return builder.build()


def by_instance(options: dict[str, Any]) -> Workflow:
    return BatchProcessorAgent(**options).to_workflow("ask").build()


def as_json(workflow: Workflow) -> dict[str, Any]:
    return json.loads(json.dumps(workflow.to_dict()))  # type: ignore[no-any-return]


def as_yaml(workflow: Workflow) -> dict[str, Any]:
    # Workflow.save writes Kailash's own positions as Python tuples; to_dict is what it writes.
    return yaml.safe_load(yaml.safe_dump(as_json(workflow)))  # type: ignore[no-any-return]


@pytest.mark.parametrize("build", [by_name, by_instance])
@pytest.mark.parametrize("write", [as_json, as_yaml])
@pytest.mark.parametrize("name", OPTIONS)
def test_an_option_survives_serialization(name: str, write: Any, build: Any) -> None:
    needed = {"secret_provider": {"api_key_secret": "x"}, "runtime_inputs": {"runtime_folder": "open"}}
    needed |= {each: {"executor": "ray"} for each in ("ray_address", "workers", "run_folder")}
    options = {"llm_provider": "mock", **needed.get(name, {}), name: OPTIONS[name]}
    stored = write(build(options))
    again = Workflow.from_dict(stored)._node_instances["ask"]
    before = BatchProcessorAgent(**options)
    assert again.batch_config.with_options(provider_options={}) == before.batch_config.with_options(provider_options={})
    assert again._settings.stored() == before._settings.stored()
    assert again.config == before.config


@pytest.mark.parametrize("name", OPTIONS)
def test_the_exports_load_with_safe_loaders(name: str) -> None:
    options = {
        "llm_provider": "mock",
        "api_key_secret": "x",
        "runtime_folder": "open",
        "executor": "ray",
        name: OPTIONS[name],
    }
    for build in (by_name, by_instance):
        workflow = build(options)
        assert yaml.safe_load(export_workflow(workflow, format="yaml"))
        assert json.loads(export_workflow(workflow, format="json"))


def test_several_endpoints_survive_serialization() -> None:
    several = ["http://127.0.0.1:9/v1", {"url": "http://127.0.0.1:10/v1", "weight": 2.0}]
    options = {"api_key": "any", "endpoint": several, "endpoint_name": "ours"}
    stored = as_yaml(by_name(options))
    again = Workflow.from_dict(stored)._node_instances["ask"]
    assert again.batch_config.base_url == BatchProcessorAgent(**options).batch_config.base_url
    assert len(again.batch_config.endpoint_configs()) == 2


# Metadata.


@pytest.mark.parametrize("runtime", [LocalRuntime, AsyncLocalRuntime])
def test_kailashs_metadata_is_accepted(runtime: Any, caplog: pytest.LogCaptureFixture) -> None:
    metadata = {"description": "Labels tickets.", "tags": ["nlp"], "version": "2.1", "author": "Ada", "name": "labels"}
    workflow = by_name({"llm_provider": "mock", "batch": ["a"], **metadata})
    node = workflow._node_instances["ask"]
    assert (node.metadata.description, node.metadata.tags, node.metadata.version, node.metadata.author) == (
        "Labels tickets.", {"nlp"}, "2.1", "Ada",
    )  # fmt: skip
    assert node.metadata.name == "labels"

    async def main() -> Any:
        async with AsyncLocalRuntime(execution_timeout=0) as running:
            return (await running.execute_workflow_async(workflow, inputs={}))[0]

    if runtime is LocalRuntime:
        with LocalRuntime(enable_monitoring=False) as running:
            results, _ = running.execute(workflow)
    else:
        results = asyncio.run(main())
    assert results["ask"]["results"][0]["status"] == "ok"
    assert "Unknown parameter" not in caplog.text


# Keys.


@pytest.mark.parametrize("build", [by_name, by_instance])
def test_the_key_comes_from_a_secret_provider(build: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    vault = Vault(**{"openai-key": KEY})
    with Simulator(api_key=KEY) as simulator:
        workflow = build(
            {"endpoint": simulator.base_url, "secret_provider": vault, "api_key_secret": "openai-key", "batch": ["a"]}
        )
        assert vault.asked == []  # constructing a node has no side effect
        for _ in range(2):
            with LocalRuntime(enable_monitoring=False) as runtime:
                results, _ = runtime.execute(workflow)
            assert results["ask"]["results"][0]["status"] == "ok"
    assert vault.asked == ["openai-key"]
    assert KEY not in str(workflow._node_instances["ask"].config)


def test_a_secret_provider_can_be_an_import_path() -> None:
    with Simulator(api_key=KEY) as simulator:
        path = "tests.nodes.test_node_options:VAULT"
        agent = BatchProcessorAgent(endpoint=simulator.base_url, secret_provider=path, api_key_secret="openai-key")
        assert agent.execute(batch=["a"])["results"][0]["status"] == "ok"


def test_without_a_secret_provider_it_is_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAILASH_SECRET_OPENAI_KEY", KEY)
    with Simulator(api_key=KEY) as simulator:
        agent = BatchProcessorAgent(endpoint=simulator.base_url, api_key_secret="openai-key")
        assert agent.execute(batch=["a"])["results"][0]["status"] == "ok"


def test_the_secret_does_not_follow_to_an_endpoint_given_at_run_time() -> None:
    with Simulator() as own, Simulator(api_key=KEY) as other:
        options = {"endpoint": own.base_url, "secret_provider": VAULT, "api_key_secret": "openai-key"}
        agent = BatchProcessorAgent(**options, runtime_inputs=["endpoint"])
        summary = agent.execute(prompt="a", endpoint=other.base_url)["summary"]
    assert "AuthenticationError" in str(summary["stopped"])


@pytest.mark.parametrize(
    ("provider", "said"),
    [
        (Vault(), "Vault did not give the secret 'openai-key': SecretNotFoundError"),
        (object(), "must be a SecretProvider"),
    ],
)
def test_a_secret_that_is_not_there_is_an_error_before_any_call(simulator: Simulator, provider: Any, said: str) -> None:
    agent = BatchProcessorAgent(endpoint=simulator.base_url, secret_provider=provider, api_key_secret="openai-key")
    with pytest.raises(NodeValidationError, match=said):
        agent.execute(batch=["a"])
    assert simulator.ledger.calls == 0


# Wrong options.


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"on_stop": "ignore"}, "on_stop must be 'return' or 'raise'; given: 'ignore'"),
        ({"secret_provider": VAULT}, "secret_provider needs api_key_secret"),
        ({"batch": iter(["a"])}, "'batch' is a list_iterator, which can be read only once"),
        ({"on_stpo": "raise"}, "unknown option 'on_stpo': did you mean 'on_stop'"),
    ],
)
def test_a_wrong_option_is_an_error_that_names_it(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        BatchProcessorAgent(llm_provider="mock", **options)


def test_what_is_changed_in_the_nodes_configuration_counts() -> None:
    """`Workflow.add_node(id, node, **config)` writes there."""
    agent = BatchProcessorAgent(llm_provider="mock", max_concurrent=2)
    workflow = Workflow("w", "w")
    workflow.add_node("ask", agent, max_concurrent=5, model="other")
    with LocalRuntime(enable_monitoring=False) as runtime:
        results, _ = runtime.execute(workflow, parameters={"ask": {"batch": ["a"]}})
    assert results["ask"]["summary"]["max_concurrent"] == 5
    assert results["ask"]["results"][0]["answered_by"] == "other"
