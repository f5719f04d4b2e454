"""A node whose jobs by path run on a cluster; tests/distributed/ray_ends.py runs one there."""

import asyncio
import pickle
from pathlib import Path
from typing import Any

import pytest

from kaizen_batch import BatchProcessorAgent, ConfigError, FileJob, ParallelBatchStrategy, RateLimits
from kaizen_batch.distributed.ray_executor import RayExecutor, without_key
from kaizen_batch.nodes.executors import Remade, work_of
from kaizen_batch.nodes.node_options import NodeSettings
from kaizen_batch.simulator import Simulator
from tests.nodes.test_node_options import KEY, VAULT

JOB = FileJob("in.csv", "out.csv", template="{text}")


def test_the_options_are_those_of_the_executor() -> None:
    assert NodeSettings(executor="ray").ray == RayExecutor(None, 2, None)
    settings = NodeSettings(executor="ray", ray_address="auto", workers=4, run_folder="/shared/run")
    assert settings.ray == RayExecutor("auto", 4, "/shared/run")
    assert NodeSettings().ray is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"executor": "dask"}, "executor must be 'ray' or None; given: 'dask'"),
        ({"executor": "ray", "workers": 0}, "workers must be a whole number, at least 1; given: 0"),
        ({"workers": 2}, "workers belongs to an executor: add executor='ray'"),
        ({"run_folder": "x"}, "run_folder belongs to an executor"),
        ({"executor": "ray", "strategy": ParallelBatchStrategy()}, "leave out strategy and limits"),
        ({"executor": "ray", "limits": RateLimits(requests_per_minute=5)}, "leave out strategy and limits"),
        ({"executor": "ray", "runtime_inputs": ["provider"]}, "runtime_inputs opens 'provider'"),
    ],
)
def test_a_wrong_option_is_refused_when_the_node_is_made(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        BatchProcessorAgent(llm_provider="mock", **options)


@pytest.mark.parametrize("name", ["executor", "ray_address", "workers", "run_folder"])
def test_whoever_sends_a_request_does_not_choose_where_it_runs(name: str) -> None:
    with pytest.raises(Exception, match=f"unknown input '{name}'"):
        BatchProcessorAgent(llm_provider="mock").execute(prompt="a", **{name: "ray"})
    with pytest.raises(ConfigError, match=f"runtime_inputs names '{name}', which is not an option"):
        BatchProcessorAgent(llm_provider="mock", runtime_inputs=[name])


def test_items_of_a_graph_are_not_for_an_executor() -> None:
    with pytest.raises(Exception, match="the executor runs jobs by path: give input_path and output_path"):
        BatchProcessorAgent(llm_provider="mock", executor="ray").execute(batch=["a"])


@pytest.mark.usefixtures("no_ray")
@pytest.mark.parametrize("more", [{}, {"mode": "flex"}])
def test_a_job_is_run_by_the_executor(more: dict[str, Any]) -> None:
    agent = BatchProcessorAgent(llm_provider="mock", executor="ray")
    with pytest.raises(ConfigError, match=r"the executor ray needs: pip install 'kaizen-batch\[ray\]'"):
        asyncio.run(agent.run_job(JOB, **more))
    agent = BatchProcessorAgent(llm_provider="mock", executor="ray", input_path="in.csv", output_path="out.csv")
    with pytest.raises(Exception, match="the executor ray needs"):
        agent.execute()


@pytest.mark.usefixtures("no_ray")
def test_shards_have_their_own_journals() -> None:
    agent = BatchProcessorAgent(llm_provider="mock", executor="ray", journal="run.db")
    with pytest.raises(ConfigError, match="leave out journal"):
        asyncio.run(agent.run_job(JOB))


@pytest.fixture
def no_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)


def test_a_worker_makes_the_node_again_with_its_own_key(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-driver")
    node = BatchProcessorAgent(
        base_url=simulator.base_url, executor="ray", signature="kaizen_batch.signature:ProcessingSignature",
        on_event=lambda event: None,
    )  # fmt: skip
    sent = pickle.dumps(without_key(work_of(node, JOB, node.batch_config, in_graph=True)))
    assert b"sk-of-the-driver" not in sent
    work = pickle.loads(sent)
    assert isinstance(work.make_agent, Remade)
    agent = work.make_agent(work.config.with_options(api_key="sk-of-the-worker"))
    assert agent.signature is not None and agent.config.api_key.get_secret_value() == "sk-of-the-worker"
    assert agent.wrapped.watcher is None and agent.endpoint == simulator.base_url


def test_a_literal_key_is_refused(simulator: Simulator) -> None:
    node = BatchProcessorAgent(base_url=simulator.base_url, api_key="sk-mine", executor="ray")
    with pytest.raises(ConfigError, match="set the environment variable OPENAI_API_KEY"):
        work_of(node, JOB, node.batch_config)


def test_each_worker_asks_the_secret_provider(simulator: Simulator) -> None:
    node = BatchProcessorAgent(
        base_url=simulator.base_url, secret_provider="tests.nodes.test_node_options:VAULT", api_key_secret="openai-key",
        executor="ray",
    )  # fmt: skip
    config = node.engine_agent().config
    assert config is not None and config.api_key is not None
    sent = pickle.dumps(without_key(work_of(node, JOB, config)))
    assert KEY.encode() not in sent
    before = len(VAULT.asked)
    agent = pickle.loads(sent).make_agent(pickle.loads(sent).config)
    assert agent.config.api_key.get_secret_value() == KEY and len(VAULT.asked) > before


class Shout(BatchProcessorAgent):
    """A node that does the work itself."""

    async def run_async(self, **inputs: Any) -> dict[str, Any]:
        return {"loud": inputs["prompt"].upper()}


def test_a_node_of_your_own_is_made_again() -> None:
    node = Shout(llm_provider="mock", executor="ray")
    work = pickle.loads(pickle.dumps(work_of(node, JOB, node.batch_config)))
    assert work.make_agent(work.config).name == node.engine_agent().name
