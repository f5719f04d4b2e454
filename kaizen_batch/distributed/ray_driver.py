"""The side of the driver: it connects to the cluster, submits the shards, watches them, and drains them at the end."""

import asyncio
import os
from contextlib import suppress
from typing import NamedTuple

from kaizen_batch.distributed.copies import committed_usd_in
from kaizen_batch.distributed.folder import Folder
from kaizen_batch.distributed.merge import shard_states
from kaizen_batch.distributed.ray_worker import SUMS, Leases, Task, Untyped, run_task
from kaizen_batch.distributed.scheduling import Shard
from kaizen_batch.distributed.shards import Work, plan_of
from kaizen_batch.errors import ConfigError, KaizenBatchError
from kaizen_batch.events import BatchProgress, EventSink

_LOOK_S = 0.5
_STORE_BYTES = 80 * 2**20


class DriverOptions(NamedTuple):
    """How many shards run at once, how often one whose worker dies is run again, and who hears of the progress."""

    workers: int
    retries: int
    on_event: EventSink | None = None


class Connected:
    """A connection to a cluster, closed at the end if it was opened here."""

    def __init__(self, ray: Untyped, address: str | None, workers: int) -> None:
        self._ray = ray
        self._address = address
        self._workers = workers
        self._opened = False

    def __enter__(self) -> None:
        if self._ray.is_initialized():
            return
        if self._address is None:  # a cluster of our own sends no usage reports, unless the user asks for them
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        local = {"num_cpus": self._workers, "object_store_memory": _STORE_BYTES, "include_dashboard": False}
        self._ray.init(
            address=self._address,
            log_to_driver=False,
            logging_level="error",
            configure_logging=False,
            **({"_node_ip_address": "127.0.0.1", **local} if self._address is None else {}),
        )
        self._opened = True

    def __exit__(self, *_: object) -> None:
        if self._opened:
            self._ray.shutdown()


class Driver:
    """Submits the shards, watches them, and cancels them if it is cancelled."""

    def __init__(self, ray: Untyped, options: DriverOptions, folder: Folder, work: Work) -> None:
        self._ray = ray
        self._options = options
        self._folder = folder
        self._work = work
        self._plan = plan_of(folder)
        self._running: dict[asyncio.Future[Untyped], tuple[int, Untyped]] = {}
        config = work.config
        caps = {
            str(number): committed_usd_in(folder, self._plan, number)
            for state in ("done", "begun")
            for number in shard_states(folder)[state]
        }
        actor = ray.remote(Leases).options(max_restarts=-1, max_task_retries=-1, num_cpus=0)
        self.leases: Untyped = actor.remote(folder.name, list(config.rate_limits), config.budget_usd, caps)
        self._task: Untyped = ray.remote(run_task).options(
            max_retries=options.retries, retry_exceptions=False, scheduling_strategy="SPREAD", num_cpus=1
        )

    async def run(self, shards: list[int]) -> dict[int, str]:
        """Run these shards; the numbers of those that failed, each with the reason."""
        failed: dict[int, str] = {}
        waiting, began = list(shards), asyncio.get_running_loop().time()
        try:
            while waiting or self._running:
                while waiting and len(self._running) < self._options.workers:
                    self._submit(waiting.pop(0))
                over, _ = await asyncio.wait(self._running, timeout=_LOOK_S, return_when=asyncio.FIRST_COMPLETED)
                for future in over:
                    number, _ = self._running.pop(future)
                    if (why := self._why_failed(future)) is not None:
                        failed[number] = why
                await self._notify(asyncio.get_running_loop().time() - began)
        except asyncio.CancelledError:
            await self._drain()
            raise
        return failed

    def _submit(self, number: int) -> None:
        shard = Shard(number, self._plan.shards)
        task = Task(self._folder.name, self._work, shard, self._options.workers)
        try:
            reference = self._task.remote(task, self.leases)
        except TypeError as error:
            what = str(error).strip().splitlines()[0]
            raise ConfigError(f"the agent cannot be sent to workers, pass a function of a module: {what}") from None
        self._running[asyncio.wrap_future(reference.future())] = (number, reference)

    def _why_failed(self, future: "asyncio.Future[Untyped]") -> str | None:
        error = future.exception()
        if error is None:
            stopped: str | None = future.result()["stopped"]
            return stopped
        cause = getattr(error, "cause", None) or error
        if isinstance(cause, ConfigError):
            raise cause
        if isinstance(cause, KaizenBatchError):
            return cause.message
        if isinstance(error, self._ray.exceptions.RayTaskError):
            return f"{type(cause).__name__}: {cause}"
        return f"its worker died {self._options.retries + 1} times ({type(error).__name__})"

    async def _notify(self, elapsed_s: float) -> None:
        if self._options.on_event is None:
            return
        reference = self.leases.progress.remote()
        with suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_S):
                said = await asyncio.wrap_future(reference.future())
                sums = {name: sum(each[name] for each in said) for name in SUMS}
                total = self._plan.total
                self._options.on_event(BatchProgress(**sums, total=total, elapsed_s=elapsed_s))

    async def _drain(self) -> None:
        """Have every worker end its shard: calls in flight may finish, and are saved."""
        for _, reference in self._running.values():
            self._ray.cancel(reference, force=False)
        if self._running:
            over, _ = await asyncio.wait(self._running, timeout=self._work.config.grace_s + 5.0)
            for future in over:
                future.exception()  # looked at: else asyncio complains
