"""What a journal has to tell, gathered for the page."""

from dataclasses import dataclass, replace
from typing import Any, Literal

from kaizen_batch.journal import Entry, Journal, Run, State, Totals
from kaizen_batch.metrics import LatencyHistogram
from kaizen_batch.report.scan import Scan
from kaizen_batch.report.timeline import Sample, Timeline, timeline
from kaizen_batch.results import ItemError

Status = Literal["empty", "running", "finished", "stopped", "killed"]

_SILENCE_S = 15.0  # samples come each half second, on a run of a day each one and a half minutes


@dataclass(frozen=True, slots=True)
class RunFacts:
    """One run: how it stands at its end, or by its last sample; `seen_at` is its last sign of life, Unix time."""

    number: int
    run: Run
    status: Status
    seen_at: float
    figures: dict[str, Any]
    waiting_for: str | None

    @property
    def config(self) -> dict[str, object]:
        """The options it was given."""
        return self.run.description.get("config") or {}

    @property
    def total(self) -> int | None:
        """How many items it has, if that is known."""
        total: int | None = self.run.description.get("total")
        return self.figures["total"] if total is None and self.run.summary else total

    @property
    def left_s(self) -> float | None:
        """How long the rest takes at the endpoint's speed so far, seconds; None if that is not known."""
        finished = self.figures["ok"] + self.figures["failed"]
        asked = finished - self.figures["from_journal"]
        if self.total is None or asked <= 0 or self.total <= finished:
            return None
        return float((self.total - finished) * self.figures["elapsed_s"] / asked)


@dataclass(frozen=True, slots=True)
class Failures:
    """One kind of failure: its items in the last run, the requests that have it now, and some of those."""

    error: ItemError
    requests: int
    examples: list[Entry]
    items: int = 0

    @property
    def most(self) -> int:
        """How many it hit: items, or requests where the last run had none of it."""
        return self.items or self.requests


@dataclass(frozen=True, slots=True)
class Details:
    """What takes one pass over all requests."""

    latency: LatencyHistogram
    slowest: list[Entry]
    answers: list[Entry]
    failures: list[Failures]
    as_of: float


NO_DETAILS = Details(LatencyHistogram(), [], [], [], as_of=0.0)
"""While they are still being read."""


@dataclass(frozen=True, slots=True)
class Facts:
    """All that the page shows; `now` is when it was read, Unix time."""

    journal: str
    now: float
    runs: list[RunFacts]
    count: dict[State, int]
    totals: Totals
    timeline: Timeline
    details: Details

    @property
    def last(self) -> RunFacts | None:
        """The run that the page is about: the last one."""
        return self.runs[-1] if self.runs else None

    @property
    def failures(self) -> list[Failures]:
        """The kinds of failures, those of most items first."""
        in_run = dict(self.last.figures["failures"]) if self.last else {}
        found = [replace(kind, items=in_run.pop(kind.error.code, 0)) for kind in self.details.failures]
        # Items that failed before any call, such as a row without a column of the template, are in no entry.
        found += [Failures(ItemError("", "", code, False), 0, [], items) for code, items in in_run.items()]
        return sorted(found, key=lambda kind: (-kind.most, kind.error.code))


def read_details(journal: Journal, now: float) -> Details:
    """One pass over all requests. Raises: JournalError."""
    scan = Scan(journal.outlines())
    failures = [Failures(kind.error, kind.requests, journal.find(kind.examples)) for kind in scan.kinds.values()]
    return Details(scan.latency, journal.find(scan.slowest), journal.find(scan.sample), failures, now)


def read_facts(journal: Journal, now: float, details: Details | None = None) -> Facts:
    """Everything, at the moment `now`; with `details` of an earlier moment it is quick, whatever the size.

    Raises: JournalError.
    """
    runs = journal.runs()
    samples = [journal.samples(run) for run in runs]
    told = [
        _run_facts(number, run, taken[-1] if taken else None, now, last=number == len(runs))
        for number, (run, taken) in enumerate(zip(runs, samples, strict=True), 1)
    ]
    return Facts(
        journal=str(journal.path),
        now=now,
        runs=told,
        count=journal.count(),
        totals=journal.totals(),
        timeline=timeline(samples),
        details=details or read_details(journal, now),
    )


def _run_facts(number: int, run: Run, sample: Sample | None, now: float, *, last: bool) -> RunFacts:
    seen_at = run.ended_at or (sample["moment"] if sample else run.begun_at)
    figures = run.summary or _figures_of(sample or {})
    waiting_for = sample.get("waiting_for") if sample else None
    return RunFacts(number, run, _status(run, seen_at, now, last=last), seen_at, figures, waiting_for)


def _status(run: Run, seen_at: float, now: float, *, last: bool) -> Status:
    if run.summary is not None:
        return "stopped" if run.summary["stopped"] else "finished"
    # One run at a time holds a journal: without an end, every run but the last was killed.
    if not last or now - seen_at > _SILENCE_S + 0.01 * (seen_at - run.begun_at):
        return "killed"
    return "running"


def _figures_of(sample: Sample) -> dict[str, object]:
    """What a summary would say, as far as a sample knows it."""
    done, failures = sample.get("done", 0), sample.get("failures", {})
    elapsed_s = sample.get("elapsed_s", 0.0)
    return {
        "total": sample.get("total"),
        "ok": done - sample.get("failed", 0),
        "failed": sum(failures.values()),
        "not_attempted": sample.get("failed", 0) - sum(failures.values()),
        "calls": sample.get("calls", 0),
        "from_journal": sample.get("from_journal", 0),
        "throttles": sample.get("throttles", 0),
        "input_tokens": sample.get("input_tokens", 0),
        "output_tokens": sample.get("output_tokens", 0),
        "cost_usd": sample.get("cost_usd", 0.0),
        "elapsed_s": elapsed_s,
        "items_per_s": done / elapsed_s if elapsed_s else 0.0,
        "failures": failures,
        "stopped": None,
    }
