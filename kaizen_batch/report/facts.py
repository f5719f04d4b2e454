"""What a journal knows, gathered for the page."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from kaizen_batch.journal import Entry, Journal, Run, State, Totals
from kaizen_batch.metrics import LatencyHistogram
from kaizen_batch.report.distributions import Distribution, distributions
from kaizen_batch.report.scan import Scan
from kaizen_batch.report.timeline import Sample, Timeline, timeline
from kaizen_batch.results import ItemError
from kaizen_batch.results.texts.batches import Figures, batch_lines, figures_of
from kaizen_batch.results.texts.summary import Ending, Line, asked_items, sentences
from kaizen_batch.results.texts.waits import Waits

Status = Literal["empty", "running", "finished", "stopped", "killed"]

_SILENCE_S = 15.0  # samples come each half second, on a run of a day each one and a half minutes


@dataclass(frozen=True, slots=True)
class RunFacts:
    """One run: its figures at its end, or at its last sample; `seen_at` is its last sign of life, Unix time."""

    number: int
    run: Run
    status: Status
    seen_at: float
    figures: dict[str, Any]
    waiting_for: str | None
    waits: tuple[tuple[str, float], ...] = ()

    @property
    def config(self) -> dict[str, object]:
        """Its options."""
        return self.run.description.get("config") or {}

    @property
    def total(self) -> int | None:
        """How many items it has, if that is known."""
        total: int | None = self.run.description.get("total")
        return self.figures["total"] if total is None and self.run.summary else total

    @property
    def left_s(self) -> float | None:
        """Seconds for the rest at the endpoint's speed so far; None if unknown."""
        finished, asked = self.figures["ok"] + self.figures["failed"], asked_items(self.figures)
        if self.total is None or asked <= 0 or self.total <= finished:
            return None
        return float((self.total - finished) * self.figures["elapsed_s"] / asked)

    @property
    def speed(self) -> float:
        """Items per second for which calls were made: neither replayed from the journal nor never attempted."""
        elapsed_s = self.figures["elapsed_s"]
        return asked_items(self.figures) / elapsed_s if elapsed_s else 0.0

    @property
    def noun(self) -> str:
        """What an item is called: rows, where the run has read a file."""
        labels = self.config.get("labels")
        return "row" if isinstance(labels, dict) and "input" in labels else "item"

    def name_of(self, index: int) -> str:
        """How an item is called: rows count from 1, items are the indices of their results."""
        if index < 0:
            return f"{self.noun} unknown"
        return f"{self.noun} {index + (self.noun == 'row'):,}"


@dataclass(frozen=True, slots=True)
class Failures:
    """One kind of failure: its items in the last run, the requests that have it now, and some examples."""

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
    """What needs a pass over all requests.

    `values` is the number of answers behind the `columns`, of `answered` in all. These, `answers` and `slowest` are of
    the last run's rows if `of_last_run`, else of all runs, which happens where no job has listed its rows. `names` are
    those of the rows behind the entries that are shown, by their keys.
    """

    latency: LatencyHistogram
    slowest: list[Entry]
    answers: list[Entry]
    failures: list[Failures]
    columns: list[Distribution]
    values: int
    as_of: float
    answered: int = 0
    of_last_run: bool = False
    names: dict[bytes, str] = field(default_factory=dict)


NO_DETAILS = Details(LatencyHistogram(), [], [], [], [], 0, as_of=0.0)
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
    batches: Sequence[Figures] = ()

    @property
    def last(self) -> RunFacts | None:
        """The run that the page is about: the last one."""
        return self.runs[-1] if self.runs else None

    def name_of(self, entry: Entry) -> str:
        """How people call the item that asked this: a row of the last run by its name."""
        if self.last is None:
            return ""
        name = self.details.names.get(entry.key)
        return f"{self.last.noun} {name}" if name is not None else self.last.name_of(entry.item)

    @property
    def sentences(self) -> list[Line]:
        """What the last run says at its end, the headline left out, and what there is to say of batches."""
        last, batches = self.last, batch_lines(self.batches, self.now)
        if last is None or last.run.summary is None:
            return batches
        ending = Ending(last.noun, self.totals, len(self.runs), last.waits, messages=True)
        return [*sentences(last.figures, ending)[1:], *batches]

    @property
    def failures(self) -> list[Failures]:
        """The kinds of failures, the most frequent first."""
        in_run = dict(self.last.figures["failures"]) if self.last else {}
        found = [replace(kind, items=in_run.pop(kind.error.code, 0)) for kind in self.details.failures]
        # Items that failed before any call, such as a row without a column of the template, are in no entry.
        found += [Failures(ItemError("", "", code, False), 0, [], items) for code, items in in_run.items()]
        return sorted(found, key=lambda kind: (-kind.most, kind.error.code))


def read_details(journal: Journal, now: float) -> Details:
    """One pass over all requests. Raises: JournalError."""
    rows = _rows_of_last_run(journal)
    scan = Scan(journal.outlines(), rows or None)
    failures = [Failures(kind.error, kind.requests, journal.find(kind.examples)) for kind in scan.kinds.values()]
    values = [entry.answer for entry in journal.find(scan.values) if entry.answer is not None]
    columns = distributions(values)
    slowest, answers = journal.find(scan.slowest), journal.find(scan.sample)
    found = Details(scan.latency, slowest, answers, failures, columns, len(values), now)
    shown = {entry.key for entry in (*slowest, *answers, *(each for kind in failures for each in kind.examples))}
    return replace(found, answered=scan.answered, of_last_run=bool(rows), names=_names(journal, shown))


def _names(journal: Journal, keys: set[bytes]) -> dict[bytes, str]:
    """The names of the first rows of the last run with these keys."""
    runs, names = journal.runs(), dict[bytes, str]()
    for row in journal.rows(runs[-1]) if runs else ():
        if row.key is not None and row.key in keys:
            names.setdefault(row.key, row.name)
    return names


def _rows_of_last_run(journal: Journal) -> Counter[bytes]:
    """How many rows of the last output each request has answered: other prompts and earlier runs are not in it."""
    runs = journal.runs()
    found = journal.rows(runs[-1]) if runs else ()
    return Counter(row.key for row in found if row.status == "ok" and row.key is not None)


def read_facts(journal: Journal, now: float, details: Details | None = None) -> Facts:
    """Everything, at the moment `now`; with `details` of an earlier moment it is quick, whatever the size.

    Raises: JournalError.
    """
    runs = journal.runs()
    samples = [journal.samples(run) for run in runs]
    facts = [
        _run_facts(number, run, taken, now if number == len(runs) else None)
        for number, (run, taken) in enumerate(zip(runs, samples, strict=True), 1)
    ]
    return Facts(
        journal=str(journal.path),
        now=now,
        runs=facts,
        count=journal.count(),
        totals=journal.totals(),
        timeline=timeline(samples),
        details=details or read_details(journal, now),
        batches=figures_of(journal.batches()),
    )


def _run_facts(number: int, run: Run, samples: list[Sample], now: float | None) -> RunFacts:
    """One run; `now` is None for all but the last, of which none can still be running."""
    sample = samples[-1] if samples else None
    seen_at = run.ended_at or (sample["moment"] if sample else run.begun_at)
    figures = run.summary or _figures_of(sample or {})
    waiting_for = sample.get("waiting_for") if sample else None
    waits = Waits()
    for each in samples:
        waits.add(each["elapsed_s"], each.get("waiting_for"))
    status = _status(run, seen_at, now)
    return RunFacts(number, run, status, seen_at, figures, waiting_for, tuple(waits.longest()))


def _status(run: Run, seen_at: float, now: float | None) -> Status:
    if run.summary is not None:
        return "stopped" if run.summary["stopped"] else "finished"
    # One run at a time holds a journal: without an end, every run but the last was killed.
    if now is None or now - seen_at > _SILENCE_S + 0.01 * (seen_at - run.begun_at):
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
