"""RayExecutor: the shards of a job as tasks of a Ray cluster. A thin layer: Ray places, retries and notices deaths.

A task runs one shard as any process would, and returns a small report. One actor holds the book of leases, and what the
shards say of their progress; Ray restarts it when it dies. The driver submits a bounded number of tasks and joins the
parts. Everything that lasts is in the run folder, so that the driver may be killed and started again.

Keys come from the environment of the workers: what is sent to them is without one.
"""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from kaizen_batch.agents import Agent, AgentLike, ModelAgent, as_agent, create_agent
from kaizen_batch.config import BatchConfig, RunConfig
from kaizen_batch.distributed.folder import Folder, LocalFolder, open_folder
from kaizen_batch.distributed.merge import Merged, merge
from kaizen_batch.distributed.plan import PLAN, check_plan
from kaizen_batch.distributed.ray_driver import Connected, Driver, DriverOptions
from kaizen_batch.distributed.ray_worker import Untyped
from kaizen_batch.distributed.shards import (
    Work,
    part_name,
    plan_in,
    plan_of,
)
from kaizen_batch.errors import ConfigError
from kaizen_batch.events import BatchFinished, EventSink
from kaizen_batch.files.job import FileJob, JobResult
from kaizen_batch.files.names import path_text
from kaizen_batch.metrics import RunMetrics
from kaizen_batch.signature import Signature

_SHARDS_PER_WORKER = 4
_RETRIES = 3


def _ray() -> Untyped:
    """The library, imported on use. Raises: ConfigError with the command that installs it."""
    try:
        import ray
    except ModuleNotFoundError:
        raise ConfigError("the executor ray needs: pip install 'kaizen-batch[ray]'") from None
    return ray


@dataclass(frozen=True)
class RayExecutor:
    """Runs a job on a Ray cluster.

    >>> await run_job(job, agent, config, executor=RayExecutor(address="ray://head:10001", workers=8))

    `address`: of the cluster; None starts one on this machine, with a process for each worker. `workers`: how many
    shards run at once. `run_folder` (default: the output's name with `.run`) must be the same place on all nodes.
    `retries`: how often a shard is run again whose worker or node died.
    """

    address: str | None = None
    workers: int = 2
    run_folder: str | os.PathLike[str] | None = None
    retries: int = _RETRIES

    def __post_init__(self) -> None:
        if not isinstance(self.workers, int) or self.workers < 1:
            raise ConfigError(f"workers must be a whole number, at least 1; given: {self.workers!r}")

    async def run_job(
        self,
        job: FileJob,
        agent: AgentLike,
        config: RunConfig,
        *,
        on_event: EventSink | None = None,
        on_end: Callable[[JobResult], object] | None = None,
    ) -> JobResult:
        """What `run_job` does, on the cluster. Raises: ConfigError for an agent that cannot be made by a worker."""
        if not isinstance(config, BatchConfig):
            raise ConfigError("an executor needs a BatchConfig: its workers make the agent from it")
        made = _made_from(agent, config) if isinstance(agent, ModelAgent) else partial(_adapted, agent)
        return await self.run(Work(job, config, made, home=os.getcwd()), on_event=on_event, on_end=on_end)  # noqa: PTH109

    async def run(
        self,
        work: Work,
        *,
        on_event: EventSink | None = None,
        on_end: Callable[[JobResult], object] | None = None,
        metrics: RunMetrics | None = None,
    ) -> JobResult:
        """Run all shards that are not done, and write the output of those that are.

        `metrics` gets the figures of all shards. Raises: ConfigError, RecordError, JournalError.
        """
        _check(work)
        ray = _ray()
        folder = open_folder(self.run_folder or f"{path_text(work.job.output).rstrip('/')}.run")
        agent = work.make_agent(work.config)
        shards = plan_of(folder).shards if folder.has(PLAN) else self.workers * _SHARDS_PER_WORKER
        plan = await plan_in(folder, work, agent, shards)
        await asyncio.to_thread(check_plan, plan, work.job, agent)
        missing = [number for number in range(1, plan.shards + 1) if not folder.has(part_name(number))]
        sent = without_key(work)

        async def end(failed: dict[int, str]) -> JobResult:
            merged = await merge(folder, _with_journal(work, folder))
            result = _result_of(merged, failed)
            if metrics is not None:
                metrics.add(merged.metrics.to_dict())
            if on_event is not None:
                on_event(BatchFinished(result.summary))
            if on_end is not None:
                on_end(result)
            return result

        if not missing:
            return await end({})
        try:
            with Connected(ray, self.address, self.workers):
                driver = Driver(ray, DriverOptions(self.workers, self.retries, on_event), folder, sent)
                failed = await driver.run(missing)
        except asyncio.CancelledError:
            await end({})  # the rows of the shards that are done
            raise
        return await end(failed)


def _check(work: Work) -> None:
    if work.config.journal is not None:
        raise ConfigError("the shards of an executor have their journals in the run folder: leave out journal")
    agent = work.make_agent(work.config)
    if work.config.budget_usd is not None and (agent.price is None or agent.max_output(None) is None):
        raise ConfigError(
            "budget_usd needs to know what a call can cost: set max_tokens, and, for a model that the price list does "
            'not know, pass price={"input": ..., "output": ...}, in USD for a million tokens'
        )


def _with_journal(work: Work, folder: Folder) -> Work:
    """The work with the journal that is merged in the run folder, if that is one of this machine."""
    journal = folder.path / "merged.db" if isinstance(folder, LocalFolder) else None
    return replace(work, config=work.config.model_copy(update={"journal": journal}))


def _made_from(agent: ModelAgent, config: BatchConfig) -> Callable[[BatchConfig], Agent]:
    """Makes such an agent from a config. Raises: ConfigError for one whose provider its config does not name."""
    made = partial(_from_config, agent.signature)
    other = made(config)
    if not isinstance(other, ModelAgent) or type(other.provider) is not type(agent.provider):
        raise ConfigError(
            f"the provider {type(agent.provider).__name__} is not sent to workers, which make theirs from the config: "
            "name it there, llm_provider='package.module:Provider'"
        )
    return made


def _from_config(signature: type[Signature], config: BatchConfig) -> Agent:
    return create_agent(config, signature)


def _adapted(agent: AgentLike, config: BatchConfig) -> Agent:
    return as_agent(agent)


def _result_of(merged: Merged, failed: dict[int, str]) -> JobResult:
    assert merged.result is not None
    result = merged.result
    if not failed:
        return result
    why = "; ".join(f"shard {number}: {text}" for number, text in sorted(failed.items()))
    return replace(result, summary=replace(result.summary, stopped=f"ShardError: {why}"), complete=False)


def without_key(work: Work) -> Work:
    """The work as it is sent to workers: the key is that of their environment.

    Raises: ConfigError for a key or a header that is not in the environment.
    """
    config = work.config
    key = config.api_key.get_secret_value() if config.api_key is not None else None
    if key is not None and key != os.environ.get("OPENAI_API_KEY"):
        raise ConfigError(
            "a key is not sent to workers: leave out api_key, and set OPENAI_API_KEY in the environment of the workers"
        )
    if any(not text.get_secret_value().startswith("${") for text in config.headers.values()):
        raise ConfigError("the value of a header is not sent to workers: name a variable, such as 'X-Key=${MY_KEY}'")
    return replace(work, config=config.model_copy(update={"api_key": None, "labels": {}}))
