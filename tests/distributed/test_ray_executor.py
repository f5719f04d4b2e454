"""RayExecutor: what is refused before a cluster is asked; and, where Ray is installed, the proofs in small."""

import os
from pathlib import Path
from typing import Any

import pytest

from kaizen_batch import BatchConfig, ConfigError, FileJob, ParallelBatchStrategy, RunConfig, run_job
from kaizen_batch.agents import create_agent
from kaizen_batch.distributed import ray_executor
from kaizen_batch.distributed.ray_executor import RayExecutor, without_key
from kaizen_batch.distributed.shards import Work
from tests.distributed.namespace import installed, needed, run_alone


def work(**options: Any) -> Work:
    config = BatchConfig(base_url="http://127.0.0.1:9/v1", **options)
    return Work(FileJob("in.csv", "out.csv", template="{text}"), config, create_agent)


def test_no_key_is_sent_to_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-environment")
    sent = without_key(work(headers={"X-Key": "${SOME_KEY}"}, labels={"note": "private"}))
    assert sent.config.api_key is None and sent.config.labels == {}
    with pytest.raises(ConfigError, match="a key is not sent to workers"):
        without_key(work(api_key="sk-mine"))
    with pytest.raises(ConfigError, match="the value of a header is not sent to workers"):
        without_key(work(headers={"X-Key": "s3cret"}))


@pytest.mark.parametrize("workers", [0, -1, "two", 1.5])
def test_a_wrong_number_of_workers_is_refused(workers: Any) -> None:
    with pytest.raises(ConfigError, match="workers must be a whole number, at least 1"):
        RayExecutor(workers=workers)


async def test_without_ray_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    given = work()
    with pytest.raises(ConfigError, match=r"pip install 'kaizen-batch\[ray\]'"):
        await run_job(given.job, create_agent(given.config), given.config, executor=RayExecutor())


async def test_what_a_worker_could_not_make_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_executor, "_ray", lambda: None)
    given = work(budget_usd=1.0, model="unheard-of")
    with pytest.raises(ConfigError, match="budget_usd needs to know what a call can cost"):
        await run_job(given.job, create_agent(given.config), given.config, executor=RayExecutor())
    with pytest.raises(ConfigError, match="an executor needs a BatchConfig"):
        await run_job(given.job, create_agent(given.config), RunConfig(), executor=RayExecutor())


async def test_an_executor_gets_the_mode_and_the_progress_and_no_strategy(capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[Any] = []

    class Elsewhere:
        async def run_job(self, job: Any, agent: Any, config: Any, *, on_event: Any = None, on_end: Any = None) -> Any:
            seen.append((type(config), config.mode, on_event))

    given = work()
    agent = create_agent(given.config)
    await run_job(given.job, agent, given.config, executor=Elsewhere(), progress=True, mode="flex")
    await run_job(given.job, agent, given.config, executor=Elsewhere())
    assert [each[:2] for each in seen] == [(BatchConfig, "flex"), (BatchConfig, "live")]
    assert callable(seen[0][2]) and seen[1][2] is None
    with pytest.raises(ConfigError, match="leave out strategy and on_start"):
        await run_job(given.job, agent, given.config, executor=Elsewhere(), strategy=ParallelBatchStrategy())


def test_the_job_survives_the_death_of_everything() -> None:
    """A worker, a node, the actor and the driver are killed with -9 in one run."""
    needed("ray")
    rows = os.environ.get("RAY_KILL_ROWS", "300")
    assert run_alone("-m", "tests.distributed.ray_kill", "--rows", rows, timeout_s=400).endswith("held\n")


def test_a_command_and_a_node_run_on_ray_a_poison_shard_fails_alone_and_an_interrupted_job_is_drained() -> None:
    needed("ray")
    installed("moto")
    assert run_alone("-m", "tests.distributed.ray_ends", timeout_s=300).endswith("held\n")
