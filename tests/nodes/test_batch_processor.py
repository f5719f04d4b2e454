"""BatchProcessorAgent in Kailash workflows and in plain Python, over real HTTP."""

import asyncio
import json
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import pytest
from kailash.runtime.async_local import AsyncLocalRuntime
from kailash.runtime.local import LocalRuntime
from kailash.sdk_exceptions import NodeExecutionError, NodeValidationError, WorkflowExecutionError
from kailash.workflow.builder import WorkflowBuilder
from kailash.workflow.graph import Workflow

from kaizen_batch import (
    BatchConfig,
    BatchProcessorAgent,
    ConfigError,
    InputField,
    OutputField,
    ParallelBatchStrategy,
    ProcessingSignature,
    RetryPolicy,
    Signature,
)
from kaizen_batch.simulator import Simulator

KEY = "sk-test-4f1d9a77c0ffee"
QUICK = {"wait_initial": 0.001, "wait_max": 0.005}

by_instance_quietly = pytest.mark.filterwarnings("ignore:Instance-based API usage detected:UserWarning")


class Triage(Signature):
    """Decide which team a ticket belongs to."""

    subject: str = InputField()
    text: str = InputField()
    team: Literal["billing", "tech"] = OutputField("the team")


def agent_for(simulator: Simulator, **options: Any) -> BatchProcessorAgent:
    return BatchProcessorAgent(base_url=simulator.base_url, api_key=KEY, retry=QUICK, **options)


def by_name(simulator: Simulator, **options: Any) -> Workflow:
    builder = WorkflowBuilder()
    config = {"endpoint": simulator.base_url, "api_key": KEY, "retry": QUICK, **options}
    builder.add_node("BatchProcessorAgent", "ask", config)
    return builder.build()


def by_instance(simulator: Simulator, **options: Any) -> Workflow:
    builder = WorkflowBuilder()
    builder.add_node_instance(agent_for(simulator, **options), "ask")
    return builder.build()


def execute(workflow: Workflow, **inputs: Any) -> dict[str, Any]:
    with LocalRuntime(enable_monitoring=False) as runtime:
        results, _ = runtime.execute(workflow, parameters={"ask": inputs})
    return results["ask"]  # type: ignore[no-any-return]


def answers(out: dict[str, Any]) -> list[str]:
    return [result["result"] for result in out["results"]]


both_ways = pytest.mark.parametrize("build", [by_name, by_instance])


# In a workflow.


@by_instance_quietly
@both_ways
@pytest.mark.parametrize("batch", [["a", "b"], [{"prompt": "a"}, {"prompt": "b", "other": 1}], ("a", "b")])
def test_a_batch_is_answered_in_order(simulator: Simulator, build: Any, batch: Any) -> None:
    out = execute(build(simulator), batch=batch)
    assert answers(out) == ["mock answer to: a", "mock answer to: b"]
    assert [(r["index"], r["batch"]) for r in out["results"]] == [(0, True), (1, True)]
    assert out["summary"]["ok"] == simulator.ledger.billed == 2


@by_instance_quietly
@both_ways
def test_a_prompt_is_one_result(simulator: Simulator, build: Any) -> None:
    out = execute(build(simulator), prompt="hello")
    assert [(r["result"], r["batch"]) for r in out["results"]] == [("mock answer to: hello", False)]


@by_instance_quietly
@both_ways
def test_without_input_it_warns_and_gives_nothing(
    simulator: Simulator, build: Any, caplog: pytest.LogCaptureFixture
) -> None:
    out = execute(build(simulator))
    assert (out["results"], out["summary"]["total"], simulator.ledger.calls) == ([], 0, 0)
    [warning] = [r for r in caplog.records if r.name.startswith("kaizen_batch") and r.levelname == "WARNING"]
    assert "neither `batch` nor `prompt`" in warning.getMessage()


@by_instance_quietly
@both_ways
def test_batch_and_prompt_together_are_an_error(simulator: Simulator, build: Any) -> None:
    out = execute(build(simulator), batch=["a"], prompt="b")
    assert out["failed"] is True
    assert "`batch` or `prompt`" in out["error"]
    assert simulator.ledger.calls == 0


def test_an_empty_batch_is_an_empty_result_without_a_warning(
    simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    assert agent_for(simulator).execute(batch=[])["results"] == []
    assert not [r for r in caplog.records if r.levelno >= logging.WARNING]


@pytest.mark.parametrize("batch", ["a text", {"prompt": "x"}, 7])
def test_a_wrong_batch_is_an_error_that_names_it(simulator: Simulator, batch: Any) -> None:
    out = execute(by_name(simulator), batch=batch)
    assert out["error_type"] == "NodeValidationError"
    assert "'batch' must be a list" in out["error"] and type(batch).__name__ in out["error"]
    with pytest.raises(NodeValidationError, match="'batch' must be a list"):
        agent_for(simulator).execute(batch=batch)
    assert simulator.ledger.calls == 0


@pytest.mark.parametrize("item", [7, None, ["x"], {"other": 1}, {"prompt": None}])
def test_an_item_that_does_not_fit_fails_alone(simulator: Simulator, item: Any) -> None:
    out = execute(by_name(simulator), batch=["a", item, "c"])
    assert [r["status"] for r in out["results"]] == ["ok", "error", "ok"]
    assert out["results"][1]["error"]["code"] == "invalid_input"
    assert simulator.ledger.calls == 2


@pytest.mark.parametrize(
    "prompt", ["see ${batch} and ${ask}", "<script>x</script> javascript:", "a\x00b", "🙂", "x" * 50_000], ids=range(5)
)
def test_a_prompt_reaches_the_endpoint_unchanged(simulator: Simulator, prompt: str) -> None:
    execute(by_name(simulator), batch=[{"prompt": prompt}])
    assert simulator.bodies[0]["messages"][-1]["content"] == prompt


def test_the_nodes_outputs_hold_no_name_that_kailash_reads_as_a_verdict(simulator: Simulator) -> None:
    assert set(execute(by_name(simulator), batch=["a"])) == {"results", "summary"}


def test_the_results_are_plain_json(simulator: Simulator) -> None:
    out = execute(by_name(simulator), batch=["a", 7])
    assert json.loads(json.dumps(out)) == out


@by_instance_quietly
@both_ways
def test_kailash_has_nothing_to_warn_about(simulator: Simulator, build: Any, caplog: pytest.LogCaptureFixture) -> None:
    execute(build(simulator, max_concurrent=3, temperature=0.5), batch=["a", "b"])
    assert "Unknown parameter" not in caplog.text
    loud = [r for r in caplog.records if r.levelno >= logging.WARNING and "durable.tenant" not in r.getMessage()]
    assert [r.getMessage() for r in loud] == []


def test_progress_reaches_the_runtimes_registry(simulator: Simulator) -> None:
    seen: list[Any] = []
    with LocalRuntime(enable_monitoring=False) as runtime:
        runtime.progress_registry.register(seen.append)
        runtime.execute(by_name(simulator), parameters={"ask": {"batch": ["x"] * 20}})
    assert (seen[-1].node_id, seen[-1].current, seen[-1].total, seen[-1].fraction) == ("ask", 20, 20, 1.0)
    assert "items/s" in seen[-1].message and "tokens in" in seen[-1].message


@by_instance_quietly
@both_ways
def test_run_time_parameters_change_that_run_only(simulator: Simulator, build: Any) -> None:
    workflow = build(simulator, model="gpt-4o-mini", temperature=0.5)
    with LocalRuntime(enable_monitoring=False) as runtime:
        runtime.execute(workflow, parameters={"ask": {"batch": ["a"], "model": "gpt-4o", "temperature": 1}})
        runtime.execute(workflow, parameters={"ask": {"batch": ["b"]}})
    sent = {body["messages"][-1]["content"]: (body["model"], body["temperature"]) for body in simulator.bodies}
    assert sent == {"a": ("gpt-4o", 1), "b": ("gpt-4o-mini", 0.5)}


def test_a_wrong_run_time_parameter_is_named(simulator: Simulator) -> None:
    with pytest.raises(NodeValidationError, match="max_concurrent"):
        agent_for(simulator).execute(batch=["a"], max_concurrent=0)


def test_a_missing_key_is_an_error_of_the_first_run_that_names_the_variable() -> None:
    agent = BatchProcessorAgent()
    with pytest.raises(NodeValidationError, match="OPENAI_API_KEY"):
        agent.execute(batch=["a"])


@by_instance_quietly
@both_ways
def test_a_workflow_runs_twice_in_a_row(simulator: Simulator, build: Any) -> None:
    workflow = build(simulator)
    assert [answers(execute(workflow, batch=[name])) for name in "ab"] == [["mock answer to: a"], ["mock answer to: b"]]
    with LocalRuntime(enable_monitoring=False) as runtime:
        for name in "cd":
            results, _ = runtime.execute(workflow, parameters={"ask": {"batch": [name]}})
            assert answers(results["ask"]) == [f"mock answer to: {name}"]


# The other runtime, loops and threads.


@by_instance_quietly
@both_ways
async def test_the_async_runtime_runs_it(simulator: Simulator, build: Any) -> None:
    workflow = build(simulator)
    async with AsyncLocalRuntime(execution_timeout=0) as runtime:
        for name in "ab":
            results, _ = await runtime.execute_workflow_async(workflow, inputs={"ask": {"batch": [name]}})
            assert answers(results["ask"]) == [f"mock answer to: {name}"]


async def test_the_async_runtime_raises_for_a_wrong_batch(simulator: Simulator) -> None:
    async with AsyncLocalRuntime(execution_timeout=0) as runtime:
        with pytest.raises(WorkflowExecutionError, match="'batch' must be a list"):
            await runtime.execute_workflow_async(by_name(simulator), inputs={"ask": {"batch": "text"}})


def test_execute_and_process_single_work_without_a_workflow(simulator: Simulator) -> None:
    agent = agent_for(simulator)
    for name in "ab":
        assert answers(agent.execute(batch=[name])) == [f"mock answer to: {name}"]
        single = agent.process_single(name)
        assert (single["result"], single["batch"], single["attempts"]) == (f"mock answer to: {name}", False, 1)


async def test_execute_and_process_single_work_inside_a_running_loop(simulator: Simulator) -> None:
    agent = agent_for(simulator)
    for name in "ab":
        assert answers(agent.execute(batch=[name])) == [f"mock answer to: {name}"]
        assert agent.process_single({"prompt": name})["result"] == f"mock answer to: {name}"
    assert (await agent.run_async(prompt="c"))["result"] == "mock answer to: c"
    assert [r["result"] for r in await agent.process_batch(["d"])] == ["mock answer to: d"]


async def test_a_workflow_runs_inside_a_running_loop(simulator: Simulator) -> None:
    assert answers(execute(by_name(simulator), batch=["a"])) == ["mock answer to: a"]


def test_two_threads_share_an_agent() -> None:
    with Simulator(latency_s=0.001) as simulator:
        agent = agent_for(simulator, max_concurrent=5)

        def work(name: str) -> list[str]:
            return [text for turn in range(3) for text in answers(agent.execute(batch=[f"{name}{turn}"] * 10))]

        with ThreadPoolExecutor(2) as pool:
            done = dict(zip("ab", pool.map(work, "ab"), strict=True))
    for name, texts in done.items():
        assert texts == [f"mock answer to: {name}{turn}" for turn in range(3) for _ in range(10)]
    assert simulator.ledger.billed == 60


@by_instance_quietly
@both_ways
def test_two_threads_run_one_workflow(build: Any) -> None:
    with Simulator(latency_s=0.001) as simulator:
        workflow = build(simulator)
        with ThreadPoolExecutor(2) as pool:
            outs = list(pool.map(lambda name: execute(workflow, batch=[name] * 10), "ab"))
    assert [answers(out) for out in outs] == [[f"mock answer to: {name}"] * 10 for name in "ab"]


# Serialized workflows.


@by_instance_quietly
@both_ways
def test_a_serialized_workflow_keeps_the_endpoint_and_not_the_key(build: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with Simulator(api_key=KEY) as simulator:
        text = json.dumps(build(simulator, model="gpt-4o", max_concurrent=3).to_dict())
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        out = execute(Workflow.from_dict(json.loads(text)), batch=["a"])
    assert KEY not in text
    config = json.loads(text)["nodes"]["ask"]["config"]
    assert not {"api_key", "base_url"} & set(config)
    assert (config["endpoint"], config["model"], config["max_concurrent"]) == (simulator.base_url, "gpt-4o", 3)
    assert answers(out) == ["mock answer to: a"]
    assert (out["summary"]["max_concurrent"], simulator.bodies[0]["model"]) == (3, "gpt-4o")


def test_a_signature_survives_serialization_by_its_path(simulator: Simulator) -> None:
    path = "kaizen_batch.signature:ProcessingSignature"
    config = json.loads(json.dumps(by_name(simulator, signature=ProcessingSignature).to_dict()))
    assert config["nodes"]["ask"]["config"]["signature"] == path
    assert answers(execute(Workflow.from_dict(config), batch=["a"])) == ["mock answer to: a"]


@pytest.mark.parametrize("name", ["api_key", "base_url", "endpoint"])
def test_the_placeholder_of_a_serialized_workflow_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="OPENAI_"):
        BatchProcessorAgent(**{name: "***REDACTED***"})


# Large batches, over the lean client and over the official SDK.

BOTH = pytest.mark.parametrize("transport", ["fast", "sdk"])


@BOTH
def test_a_thousand_documents_come_back_in_order_for_a_thousand_calls(transport: str) -> None:
    documents = [f"document {n}" for n in range(1000)]
    over = {"provider_options": {"transport": transport}}
    with Simulator(latency_s=0.002) as simulator:
        out = execute(by_name(simulator, max_concurrent=50, **over), batch=documents)
    assert answers(out) == [f"mock answer to: {text}" for text in documents]
    assert simulator.ledger.billed == simulator.ledger.calls == out["summary"]["calls"] == 1000
    assert simulator.ledger.peak_in_flight <= 50
    assert out["summary"]["peak_in_flight"] <= 50


@BOTH
def test_a_thousand_documents_survive_a_stumbling_endpoint(transport: str) -> None:
    documents = [f"document {n}" for n in range(1000)]
    over = {"provider_options": {"transport": transport}}
    with Simulator(latency_s=0.002, rate_429=0.02, rate_500=0.02, rate_torn=0.01, retry_after_s=0.005) as simulator:
        out = execute(by_name(simulator, max_concurrent=50, **over), batch=documents)
    assert answers(out) == [f"mock answer to: {text}" for text in documents]
    assert simulator.ledger.billed == 1000 < simulator.ledger.calls == out["summary"]["calls"]
    assert simulator.ledger.peak_in_flight <= 50


# The object itself.


def test_its_attributes_tell_what_it_does() -> None:
    config = BatchConfig(llm_provider="mock", max_concurrent=7)
    agent = BatchProcessorAgent(config)
    assert agent.batch_config is config
    assert isinstance(agent.strategy, ParallelBatchStrategy) and agent.strategy.max_concurrent == 7
    assert isinstance(agent.signature, ProcessingSignature)
    assert isinstance(BatchProcessorAgent(config, signature=Triage).signature, Triage)
    assert isinstance(BatchProcessorAgent(config, signature=Triage()).signature, Triage)


@pytest.mark.parametrize("agent", [
    BatchProcessorAgent({"llm_provider": "mock", "max_concurrent": 3}),
    BatchProcessorAgent(llm_provider="mock", max_concurrent=3),
    BatchProcessorAgent(BatchConfig(llm_provider="mock"), max_concurrent=3),
    BatchProcessorAgent(config={"llm_provider": "mock"}, max_concurrent=3),
], ids=["dict", "keywords", "both", "named"])  # fmt: skip
def test_options_are_taken_in_every_form(agent: BatchProcessorAgent) -> None:
    assert (agent.batch_config.max_concurrent, agent.process_single("a")["result"]) == (3, "mock answer to: a")


@pytest.mark.parametrize(
    ("name", "nearest"), [("max_concurrency", "max_concurrent"), ("onstop", "on_stop"), ("bach", "batch")]
)
def test_an_unknown_option_is_refused(name: str, nearest: str) -> None:
    with pytest.raises(ConfigError, match=f"unknown option '{name}': did you mean '{nearest}'"):
        BatchProcessorAgent(**{name: 3})


def test_constructing_has_no_side_effects(simulator: Simulator, caplog: pytest.LogCaptureFixture) -> None:
    made: list[str] = []

    caplog.set_level("DEBUG", logger="kaizen_batch")
    agent = agent_for(simulator, on_event=lambda event: made.append(type(event).__name__))
    by_name(simulator)
    BatchProcessorAgent()  # not even a key is asked for
    assert (made, simulator.ledger.calls, agent._engine_agent) == ([], 0, None)
    assert not [r for r in caplog.records if r.name.startswith("kaizen_batch")]


def test_a_typed_signature_gives_its_fields(simulator: Simulator) -> None:
    agent = agent_for(simulator, signature=Triage)
    [result] = agent.execute(batch=[{"subject": "money", "text": "billing billing"}])["results"]
    assert (result["status"], result["team"]) == ("ok", "billing")
    assert simulator.bodies[0]["messages"][-1]["content"] == "subject: money\n\ntext: billing billing"


def test_on_error_raise_raises_with_the_cause(simulator: Simulator) -> None:
    with pytest.raises(NodeExecutionError, match="item 1 failed"):
        agent_for(simulator, on_error="raise", max_concurrent=1).execute(batch=["a", 7])


def test_a_sink_is_told_of_the_run(simulator: Simulator) -> None:
    seen: list[str] = []
    agent_for(simulator, on_event=lambda event: seen.append(type(event).__name__)).execute(batch=["a", "b"])
    assert (seen[0], seen[-1], seen.count("ItemFinished")) == ("BatchStarted", "BatchFinished", 2)


async def test_an_async_function_takes_the_place_of_a_provider() -> None:
    async def shout(text: str) -> dict[str, str]:
        return {"loud": text.upper()}

    results = await BatchProcessorAgent(provider=shout).process_batch([{"text": "a"}, {"text": "b"}])
    assert [r["loud"] for r in results] == ["A", "B"]


# Agents in the style of kailash-kaizen.


class KaizenStyle:
    """An object with `run_async(**inputs)`, whose failures are dicts."""

    def __init__(self) -> None:
        self.in_flight = 0
        self.peak = 0

    async def run_async(self, **inputs: Any) -> dict[str, Any]:
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        await asyncio.sleep(0)
        self.in_flight -= 1
        if inputs["prompt"] == "bad":
            return {"error": "no such thing", "success": False}
        return {"answer": inputs["prompt"].upper(), "success": True}


async def test_kaizens_own_style_of_agents_runs_in_the_strategy() -> None:
    agent = KaizenStyle()
    strategy = ParallelBatchStrategy(max_concurrent=3, retry=RetryPolicy(**QUICK))
    results = await strategy.execute_batch(agent, [{"prompt": "a"}, {"prompt": "bad"}, *[{"prompt": "c"}] * 8])
    assert [r.get("answer") for r in results] == ["A", None, *["C"] * 8]
    assert (results[1]["status"], results[1]["error"]["message"]) == ("error", "no such thing")
    assert agent.peak <= 3
    assert (await strategy.execute(agent, {"prompt": "a"}))["answer"] == "A"
    assert await strategy.execute_batch(agent, []) == []


def test_a_misspelt_provider_fails_when_the_agent_is_made() -> None:
    with pytest.raises(ConfigError, match="unknown llm_provider 'opnai': did you mean 'openai'"):
        BatchProcessorAgent(llm_provider="opnai")


def test_a_subclass_that_does_the_work_itself_is_asked_for_it() -> None:
    class Own(BatchProcessorAgent):
        async def run_async(self, **inputs: Any) -> dict[str, Any]:
            return {"own": inputs["prompt"]}

    assert Own(llm_provider="mock").execute(batch=["a"])["results"][0]["own"] == "a"
