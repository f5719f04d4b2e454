"""Run-time inputs are data: what they may do, and what they may not, under every way to run the node."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kailash.runtime.async_local import AsyncLocalRuntime
from kailash.runtime.local import LocalRuntime
from kailash.sdk_exceptions import NodeValidationError, WorkflowExecutionError
from kailash.workflow.builder import WorkflowBuilder
from kailash.workflow.graph import Workflow

from kaizen_batch import BatchConfig, BatchProcessorAgent, ConfigError
from kaizen_batch.nodes.runtime_inputs import DATA, LIMITS, RuntimeRules
from kaizen_batch.simulator import Simulator
from tests.nodes.foreign import Foreign

KEY = "sk-test-4f1d9a77c0ffee"

Run = Callable[..., dict[str, Any]]


def workflow(options: dict[str, Any]) -> Any:
    builder = WorkflowBuilder()
    builder.add_node("BatchProcessorAgent", "ask", options)
    return builder.build()


def locally(options: dict[str, Any], **inputs: Any) -> dict[str, Any]:
    """LocalRuntime: a leaf node that fails is returned as a dict."""
    with LocalRuntime(enable_monitoring=False) as runtime:
        results, _ = runtime.execute(workflow(options), parameters={"ask": inputs})
    if results["ask"].get("failed"):
        raise NodeValidationError(results["ask"]["error"])
    return results["ask"]  # type: ignore[no-any-return]


def asynchronously(options: dict[str, Any], **inputs: Any) -> dict[str, Any]:
    """AsyncLocalRuntime, which raises."""

    async def main() -> dict[str, Any]:
        async with AsyncLocalRuntime(execution_timeout=0) as runtime:
            results, _ = await runtime.execute_workflow_async(workflow(options), inputs={"ask": inputs})
        return results["ask"]  # type: ignore[no-any-return]

    try:
        return asyncio.run(main())
    except WorkflowExecutionError as error:
        raise NodeValidationError(str(error)) from error


def directly(options: dict[str, Any], **inputs: Any) -> dict[str, Any]:
    """`.execute()`."""
    return BatchProcessorAgent(options).execute(**inputs)


every_way = pytest.mark.parametrize("run", [locally, asynchronously, directly])


def options_for(simulator: Simulator, **more: Any) -> dict[str, Any]:
    return {"endpoint": simulator.base_url, "api_key": KEY, "retry": {"wait_initial": 0.001}, **more}


@every_way
def test_data_may_be_given(simulator: Simulator, run: Run) -> None:
    options = options_for(simulator, model="gpt-4o-mini", system_prompt="Be brief.")
    given = {"model": "gpt-4o", "temperature": 1, "max_tokens": 400, "system_prompt": "Be polite."}
    out = run(options, batch=[{"text": "x"}], template="Say {text}", **given)
    assert [result["status"] for result in out["results"]] == ["ok"]
    [body] = simulator.bodies
    assert [message["content"] for message in body["messages"]] == ["Be polite.", "Say x"]
    assert (body["model"], body["temperature"]) == ("gpt-4o", 1)
    assert 400 in (body.get("max_tokens"), body.get("max_completion_tokens"))


@every_way
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("endpoint", "http://127.0.0.1:9/v1"),
        ("base_url", "http://127.0.0.1:9/v1"),
        ("api_key", "sk-other"),
        ("llm_provider", "tests.nodes.spy:Provider"),
        ("provider_options", {"transport": "sdk"}),
        ("signature", "tests.nodes.spy:Signature"),
        ("provider", "tests.nodes.spy:Provider"),
        ("fallbacks", [{"base_url": "http://127.0.0.1:9/v1"}]),
        ("journal", "elsewhere.db"),
        ("input_path", "/etc/passwd"),
        ("output_path", "elsewhere.csv"),
        ("price", {"input": 0, "output": 0}),
        ("retry", {"attempts": 100}),
        ("hedge_after", 0.5),
        ("labels", {"a": "b"}),
        ("on_error", "raise"),
    ],
)
def test_what_is_fixed_is_refused_and_no_call_is_made(
    simulator: Simulator, run: Run, name: str, value: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NodeValidationError) as caught:
        run(options_for(simulator), prompt="x", **{name: value})
    assert f"'{name}' was given at run time and is fixed when the node is constructed" in str(caught.value)
    assert f"runtime_inputs=('{name}',)" in str(caught.value)
    assert KEY not in str(caught.value)
    assert (simulator.ledger.calls, list(tmp_path.iterdir())) == (0, [])


def test_every_option_is_data_a_limit_or_fixed(simulator: Simulator) -> None:
    """A new option is fixed unless somebody decides otherwise."""
    agent = BatchProcessorAgent(options_for(simulator))
    for name in set(BatchConfig.model_fields) - set(DATA) - set(LIMITS):
        with pytest.raises(NodeValidationError, match=f"'{name}' was given at run time"):
            agent.execute(prompt="x", **{name: "something"})
    assert simulator.ledger.calls == 0


@every_way
@pytest.mark.parametrize(
    ("name", "nearest"),
    [("bach", "batch"), ("max_concurency", "max_concurrent"), ("budget", "budget_usd"), ("on_stop", None)],
)
def test_an_unknown_name_is_an_error_that_names_the_nearest(
    simulator: Simulator, run: Run, name: str, nearest: str | None
) -> None:
    with pytest.raises(NodeValidationError) as caught:
        run(options_for(simulator), prompt="x", **{name: 1})
    assert f"unknown input '{name}'" in str(caught.value)
    assert nearest is None or f"did you mean '{nearest}'" in str(caught.value)
    assert simulator.ledger.calls == 0


@every_way
def test_a_nested_config_has_no_power_either(simulator: Simulator, run: Run) -> None:
    with pytest.raises(NodeValidationError, match=r"'(config|endpoint)'"):
        run(options_for(simulator), prompt="x", config={"endpoint": "http://127.0.0.1:9/v1"})
    assert simulator.ledger.calls == 0


@every_way
def test_a_limit_may_be_lowered(simulator: Simulator, run: Run) -> None:
    out = run(options_for(simulator, max_concurrent=5), batch=["a", "b"], max_concurrent=2, deadline_s=60)
    assert (out["summary"]["max_concurrent"], out["summary"]["ok"]) == (2, 2)


@every_way
@pytest.mark.parametrize(
    ("configured", "name", "value"),
    [
        ({"max_concurrent": 5}, "max_concurrent", 6),
        ({}, "max_concurrent", 11),  # the default is a limit, too
        ({}, "max_concurrent", "11"),  # as the config understands it
        ({}, "timeout_s", 121),
        ({}, "grace_s", 11.0),
        ({}, "max_reasks", 2),
        ({"requests_per_minute": 60}, "requests_per_minute", 61),
        ({"tokens_per_minute": 6000}, "tokens_per_minute", 6001),
        ({"budget_usd": 1.0, "price": {"input": 1, "output": 1}}, "budget_usd", 1.5),
        ({"deadline_s": 60}, "deadline_s", 61),
    ],
)
def test_a_limit_may_not_be_raised(
    simulator: Simulator, run: Run, configured: dict[str, Any], name: str, value: Any
) -> None:
    with pytest.raises(NodeValidationError, match=f"'{name}' given at run time may only lower the limit in force"):
        run(options_for(simulator, **configured), prompt="x", **{name: value})
    assert simulator.ledger.calls == 0


def test_an_opened_limit_may_be_raised(simulator: Simulator) -> None:
    agent = BatchProcessorAgent(options_for(simulator, max_concurrent=5, runtime_inputs=["max_concurrent"]))
    assert agent.execute(prompt="x", max_concurrent=6)["summary"]["max_concurrent"] == 6


@every_way
def test_an_opened_endpoint_gets_no_key(simulator: Simulator, run: Run) -> None:
    with Foreign() as other:
        run(options_for(simulator, runtime_inputs=["endpoint"]), prompt="x", endpoint=other.base_url)
    [headers] = other.requests
    assert simulator.ledger.calls == 0
    assert KEY not in headers


@every_way
def test_an_opened_endpoint_gets_the_key_that_the_author_named_for_it(
    simulator: Simulator, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTHER_KEY", "sk-for-the-other")
    with Foreign() as other, Foreign() as third:
        keys = {other.base_url: "OTHER_KEY"}
        options = options_for(simulator, runtime_inputs=["endpoint"], endpoint_keys=keys)
        for endpoint in (other, third):
            run(options, prompt="x", endpoint=endpoint.base_url)
    assert "sk-for-the-other" in other.requests[0]
    assert "sk-" not in third.requests[0]


def test_the_environments_key_does_not_follow_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with Foreign() as own, Foreign() as other:
        agent = BatchProcessorAgent(endpoint=own.base_url, runtime_inputs=["endpoint"])
        agent.execute(prompt="x", endpoint=other.base_url)
        agent.execute(prompt="x")
    assert KEY not in other.requests[0]
    assert KEY in own.requests[0]


def test_a_price_does_not_follow_to_another_model(simulator: Simulator) -> None:
    agent = BatchProcessorAgent(options_for(simulator, model="small", price={"input": 1, "output": 1}))
    assert agent.execute(prompt="x")["results"][0]["cost_usd"] > 0
    assert agent.execute(prompt="x", model="large")["results"][0]["cost_usd"] is None


@settings(deadline=None, max_examples=60)
@given(path=st.lists(st.sampled_from(["..", ".", "a", "b", "link", "", "/", "~", "\\"]), max_size=6).map("/".join))
def test_no_path_leaves_the_folder(path: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.getbasetemp() / "confined"
    folder.mkdir(exist_ok=True)
    if not (folder / "link").is_symlink():
        (folder / "link").symlink_to(tmp_path_factory.getbasetemp())
    rules = RuntimeRules(("journal",), str(folder), {}, ("journal",))
    try:
        confined = Path(rules.confined("journal", path))
    except ConfigError:
        return
    assert folder.resolve() in confined.resolve().parents


FIXED = ("llm_provider", "base_url", "api_key", "fallbacks", "provider_options", "journal", "retry", "hedge_after")


@settings(deadline=None, max_examples=60)
@given(
    model=st.sampled_from(["small", "large"]),
    lowered=st.dictionaries(st.sampled_from(LIMITS), st.integers(1, 5), max_size=4),
    temperature=st.none() | st.floats(0, 2),
)
def test_data_and_limits_leave_everything_else_as_it_is(
    model: str, lowered: dict[str, int], temperature: float | None
) -> None:
    limits = dict.fromkeys(LIMITS, 5)
    config = BatchConfig(base_url="http://127.0.0.1:9/v1", api_key=KEY, model="small", **limits)  # type: ignore[arg-type]
    chosen = {"model": model, **lowered} | ({} if temperature is None else {"temperature": temperature})
    changed = RuntimeRules().config_of_run(config, chosen)
    assert [getattr(changed, name) for name in FIXED] == [getattr(config, name) for name in FIXED]
    assert all(getattr(changed, name) == lowered.get(name, 5) for name in LIMITS)


@pytest.mark.parametrize("path", ["../out.jsonl", "/etc/passwd", "link/in.csv", "a\x00b", "", "."])
def test_an_opened_path_is_confined_to_its_folder(path: str, tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path)
    (tmp_path / "in.csv").write_text("text\nx\n")
    paths = ["input_path", "output_path", "journal"]
    agent = BatchProcessorAgent(llm_provider="mock", runtime_inputs=paths, runtime_folder=folder)
    fine = {"input_path": "in.csv", "output_path": "out.jsonl", "journal": "run.db"}
    for name in fine:
        with pytest.raises(NodeValidationError, match=f"'{name}' given at run time must be in the folder"):
            agent.execute(**{**fine, name: path})


def test_an_opened_path_is_taken_from_its_folder(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("text\nx\n")
    options = {"llm_provider": "mock", "template": "Say {text}", "runtime_folder": tmp_path}
    agent = BatchProcessorAgent(**options, runtime_inputs=["input_path", "output_path", "journal"])
    summary = agent.execute(input_path="in.csv", output_path=str(tmp_path / "out.jsonl"), journal="run.db")["summary"]
    assert (summary["rows_written"], summary["output_path"]) == (1, str(tmp_path / "out.jsonl"))
    assert (tmp_path / "run.db").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"runtime_inputs": ["endpont"]}, "'endpont', which is not an option: did you mean 'endpoint'"),
        ({"runtime_inputs": "endpoint"}, "must be a list of names"),
        ({"runtime_inputs": [3]}, "must be a list of names"),
        ({"runtime_inputs": ["input_path"]}, "set runtime_folder"),
        ({"runtime_inputs": ["journal"]}, "set runtime_folder"),
    ],
)
def test_wrong_rules_are_an_error_of_the_constructor(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        BatchProcessorAgent(llm_provider="mock", **options)


def test_an_opened_signature_is_taken(simulator: Simulator) -> None:
    agent = BatchProcessorAgent(options_for(simulator, runtime_inputs=["signature"]))
    with pytest.raises(NodeValidationError, match="NoSuch"):
        agent.execute(prompt="x", signature="kaizen_batch.signature:NoSuch")
    out = agent.execute(prompt="x", signature="kaizen_batch.signature:ProcessingSignature")
    assert out["results"][0]["result"] == "mock answer to: x"


def test_a_value_that_the_node_is_configured_with_is_no_change(simulator: Simulator) -> None:
    """In a cycle, Kailash passes a node its own configuration as run-time inputs."""
    agent = BatchProcessorAgent(options_for(simulator))
    out = agent.execute(batch=["a"], context={"cycle": {}}, **agent.config)
    assert out["results"][0]["result"] == "mock answer to: a"


def test_the_rules_survive_serialization(simulator: Simulator, tmp_path: Path) -> None:
    options = options_for(simulator, runtime_inputs=["journal"], runtime_folder=str(tmp_path), on_stop="raise")
    config = json.loads(json.dumps(workflow(options).to_dict()))
    node = Workflow.from_dict(config)._node_instances["ask"]
    assert {name: node.config[name] for name in ("runtime_inputs", "runtime_folder", "on_stop")} == {
        "runtime_inputs": ["journal"],
        "runtime_folder": str(tmp_path),
        "on_stop": "raise",
    }
