"""What the parts of one run share."""

import asyncio
import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from typing import NamedTuple

from kaizen_batch.agents import Agent
from kaizen_batch.config import RunConfig
from kaizen_batch.engine.journaling import announce
from kaizen_batch.engine.replicas import limits_with_endpoints, upstream_of
from kaizen_batch.engine.run_limits import RunLimits
from kaizen_batch.engine.source import Source
from kaizen_batch.engine.upstream import Upstream
from kaizen_batch.errors import JournalError, KaizenBatchError, NotAttemptedError
from kaizen_batch.events import BatchProgress, EventSink, Sinks
from kaizen_batch.journal import JournalWriter, Totals
from kaizen_batch.limits import ADMISSION, RateLimits
from kaizen_batch.limits.retries import RetryBudget
from kaizen_batch.metrics import RunMetrics
from kaizen_batch.results import BatchSummary


class RunPlan(NamedTuple):
    """What a strategy asks for; `limits` are those that it shares with others.

    `since` (Unix time): what failed for good since then is not asked again; default: since the run began. A run that
    `replays_only` makes no call: what the journal does not answer is `in_batch`.
    """

    agent: Agent
    config: RunConfig
    source: Source
    sinks: Sequence[EventSink] = ()
    limits: RateLimits | None = None
    since: float | None = None
    replays_only: bool = False


class RunState:
    """One run: its agent and options, where its items come from, what it counts, may spend and tells, and why it ended.

    `upstreams` are the endpoint of the agent and those of its fallbacks. `journal` is open or None. `reason` says why
    the run ended before its last item, None if it has not; `stopped` is set with it. `idle` is set when a run that is
    ending has no item under way. `cut_at` is when calls in flight are cut off, on the loop's clock; inf: never.
    """

    def __init__(self, plan: RunPlan) -> None:
        agent, config = plan.agent, plan.config
        self.agent: Agent = agent
        self.config: RunConfig = config
        self.source: Source = plan.source
        self.limits: RunLimits = RunLimits(limits_with_endpoints(agent), config, plan.limits)
        self.metrics: RunMetrics = RunMetrics(self.limits.max_concurrent)
        watching = agent.watcher(self.metrics) if agent.watcher is not None else ()
        self.sinks: Sinks = Sinks(*plan.sinks, *watching)
        self.upstreams: list[Upstream] = [upstream_of(agent, config, self.limits)]
        self.upstreams += [upstream_of(other, config, self.limits, is_fallback=True) for other in agent.fallbacks]
        self.retries: RetryBudget = RetryBudget(config.retry.budget)
        self.journal: JournalWriter | None = None
        self.totals: Totals | None = None
        self.since: float | None = plan.since
        self.replays_only: bool = plan.replays_only
        self.raises: bool = config.on_error == "raise"
        self.reason: KaizenBatchError | None = None
        self.stopped: asyncio.Event = asyncio.Event()
        self.idle: asyncio.Event = asyncio.Event()
        self.ending: bool = False
        self.interrupted: bool = False
        self.cut_at: float = math.inf

    @property
    def priced(self) -> bool:
        """Whether it is known what calls cost."""
        return all(upstream.price is not None for upstream in self.upstreams)

    def attach(self, journal: JournalWriter) -> None:
        """Keep this journal; what all runs on it have spent, or may have, counts against the budget."""
        self.journal = journal
        if self.since is not None:
            journal.opened_at = min(journal.opened_at, self.since)
        announce(journal, self.agent)
        ledger = journal.shared.ledger
        with ADMISSION.lock:
            if self.limits.budget is not None:
                self.limits.budget.follow(ledger)
            for upstream in self.upstreams:
                upstream.queue.activate(ledger)

    def stop(self, reason: KaizenBatchError) -> None:
        """End the run: no further call is started; those in flight may finish.

        The items of a list or a file still get their results; an input that may wait or be endless is not read on.
        """
        if self.reason is None:
            self.reason = reason
            if not self.source.reads_on:
                self.source.end()
            self._close()

    def drain(self, reason: KaizenBatchError, *, interrupted: bool = False) -> None:
        """End the run from outside: answers that still come are saved, and failures no longer raise.

        The items that an interrupted run has not pulled are not attempted, where it is known how many there are.
        """
        self.source.end()
        self.ending = True
        self.interrupted = interrupted
        self.raises = False
        self.stop(reason)

    def halt(self) -> None:
        """Tear the run down: no further item and no further call is started, and nobody reads why."""
        # An agent may keep its cancellation to itself: then its worker goes on, and must find nothing to do.
        self.source.end()
        self._close()

    def _close(self) -> None:
        self.stopped.set()
        error = self.not_attempted()
        for upstream in self.upstreams:
            upstream.queue.close(error)

    def give_up(self, upstream: Upstream, error: KaizenBatchError) -> None:
        """This endpoint serves no more; with the last of them the run ends."""
        if all(other.error is not None for other in self.upstreams if other is not upstream):
            self.stop(error)
        upstream.close(error)

    def give_up_unreachable(self, now: float) -> None:
        """Give up the endpoints that have accepted no connection for too long."""
        for upstream in self.upstreams:
            down = upstream.unreachable(now, self.config.wait_for_endpoint_s) if upstream.error is None else None
            if down is not None:
                self.give_up(upstream, down)

    def not_attempted(self) -> NotAttemptedError:
        """The error of an item whose turn does not come."""
        why = self.reason.message if self.reason else "no endpoint is left"
        return NotAttemptedError(f"the run ended before this item's turn: {why}")

    def progress(self, elapsed_s: float, waiting_for: str | None = None) -> BatchProgress:
        """How far the run is; `waiting_for` is what holds it up outside of its limits."""
        waiting = (text for upstream in self.upstreams if (text := upstream.queue.waiting_for))
        now = asyncio.get_running_loop().time()
        progress = self.metrics.progress(elapsed_s, now, self.limits.limit, waiting_for or next(waiting, None))
        return replace(progress, total=self.source.size, oldest_row=self._oldest_row())

    def _oldest_row(self) -> str | None:
        """The name of the row whose call has been in flight longest, if rows have names."""
        calls = tuple(self.metrics.calls_in_flight.values())
        return self.agent.row_name(calls[0][-1]) if calls else None

    def sample(self, progress: BatchProgress, *, last: bool = False) -> None:
        """Have the journal keep this progress; the `last` of a run must come before the journal closes."""
        if self.journal is not None:
            with suppress(JournalError):  # a journal that broke says so to the next who awaits it
                self.journal.sample(asdict(progress), progress.elapsed_s, last=last)

    def summary(self, elapsed_s: float) -> BatchSummary:
        """The totals so far."""
        reason, totals = self.reason, self.totals
        missing = (self.source.size or 0) - self.metrics.total if self.interrupted else 0
        if self.interrupted and self.source.size == self.metrics.ok + self.metrics.failed:
            reason = None  # it came too late to stop anything
        found = self.metrics.summary(
            elapsed_s,
            stopped=self._why(reason),
            priced=self.priced,
            twice=(totals.maybe_paid_twice, totals.maybe_paid_twice_usd) if totals else None,
        )
        counted = self.interrupted and self.source.size is not None
        found = replace(found, input_unread=reason is not None and self.source.is_cut and not counted)
        if missing <= 0:
            return found
        return replace(found, total=found.total + missing, not_attempted=found.not_attempted + missing)

    def _why(self, reason: KaizenBatchError | None) -> str | None:
        return f"{type(reason).__name__}: {reason.message}{self._how_to_resume()}" if reason else None

    def saved(self) -> str:
        """What an interrupted program says: what is saved, and how to resume."""
        if self.config.journal is None:
            return "no answer was saved: with journal='run.db' the same program resumes where it was interrupted"
        return f"the answers so far are saved in '{self.config.journal}': run the same program again to resume"

    def _how_to_resume(self) -> str:
        if self.config.journal is None:
            return ""
        return (
            f"; {self.metrics.ok} items of this run are done and saved: "
            f"run the same batch with journal='{self.config.journal}' to resume"
        )
