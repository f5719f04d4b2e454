"""A run's summary as sentences: the one source for the terminal, `status`, the report, `--json` and notebooks.

It takes the figures of `BatchSummary.to_dict()`, which is also what a journal keeps of a run, so that a run reads the
same wherever it is shown. It knows no display: a line is a label and a sentence.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from kaizen_batch.results.texts.advice import advice_on, why_stopped
from kaizen_batch.results.texts.numbers import at_least, count, counted, duration, rate, short, usd
from kaizen_batch.results.texts.terminal import one_line
from kaizen_batch.results.texts.waits import with_noun

_CODES_SHOWN = 6

Figures = Mapping[str, Any]
"""The summary of a run as a dict, perhaps one that an earlier version stored."""


class Line(NamedTuple):
    """One line of the summary: `kind` is "", "note", "warn" or "bad"."""

    label: str
    text: str
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Ending:
    """What is known of a run besides its summary.

    `noun` is what an item is called. `job` has the sums over all runs on the journal, of which there were `job_runs`.
    `waits` are the reasons and seconds of `Waits`. `messages` adds the message of the error that ended the run,
    which comes from the endpoint. `examples` are an error message for some codes, for those that have no advice.
    """

    noun: str = "item"
    job: "JobSums | None" = None
    job_runs: int = 1
    waits: Sequence[tuple[str, float]] = ()
    messages: bool = False
    examples: Mapping[str, str] = field(default_factory=dict)


class JobSums(Protocol):
    """What a journal knows of all runs: dollars, calls whose price is unknown, and calls without an answer."""

    @property
    def spent_usd(self) -> float: ...
    @property
    def unpriced(self) -> int: ...
    @property
    def unanswered(self) -> int: ...
    @property
    def unanswered_usd(self) -> float: ...
    @property
    def maybe_paid_twice(self) -> int: ...


def headline(figures: Figures, noun: str = "item") -> str:
    """The run in one sentence: "5,000 rows in 2 min 14 s (37/s): 4,892 done, 108 failed"."""
    parts = [f"{count(figures['ok'])} done"]
    parts += [f"{count(figures['failed'])} failed"] if figures["failed"] else []
    waiting = figures.get("waiting", 0)
    left = figures["not_attempted"] - waiting
    parts += [f"{count(waiting)} waiting for batches"] if waiting else []
    parts += [f"{count(left)} not attempted"] if left else []
    rest = figures["total"] - figures["ok"] - figures["failed"] - figures["not_attempted"]
    parts += [f"{count(rest)} unfinished"] if rest > 0 else []
    asked, elapsed_s = asked_items(figures), figures["elapsed_s"]
    speed = f" ({rate(asked / elapsed_s)})" if asked and elapsed_s >= 1 else ""
    return f"{counted(figures['total'], noun)} in {duration(elapsed_s)}{speed}: {', '.join(parts)}"


def asked_items(figures: Figures) -> int:
    """Items that calls were made for: neither replayed from the journal nor never attempted."""
    return max(0, int(figures["ok"] + figures["failed"] - figures["from_journal"]))


def sentences(figures: Mapping[str, object], ending: Ending | None = None) -> list[Line]:
    """All there is to say of a run, the headline first."""
    ending = ending or Ending()
    return [
        Line("", headline(figures, ending.noun)),
        *_failures(figures, ending.examples),
        *_doubtful_answers(figures),
        *_journal(figures, ending.noun),
        *_waits(figures, ending),
        *_money(figures, ending),
        *_billing(figures, ending),
        *_stop(figures, ending),
    ]


def failures_text(failures: Mapping[str, int]) -> str:
    """`8 refusal, 4 length`, the most frequent first."""
    by_count = sorted(failures.items(), key=lambda each: -each[1])
    shown = ", ".join(f"{count(number)} {one_line(code, 40)}" for code, number in by_count[:4])
    return shown + (", ..." if len(by_count) > 4 else "")


def retry_helps(figures: Figures) -> bool:
    """Whether the same run again can do more: something was not attempted, or failed in a way that may pass."""
    return bool(figures["not_attempted"] or figures["stopped"]) or any(
        advice_on(code).retry for code in figures["failures"]
    )


def _failures(figures: Figures, examples: Mapping[str, str]) -> Iterator[Line]:
    by_count = sorted(figures["failures"].items(), key=lambda each: -each[1])
    for code, number in by_count[:_CODES_SHOWN]:
        advice = advice_on(code)
        cause = f" ({advice.cause})" if advice.cause else ""
        text = one_line(examples[code], 200) if code in examples and not advice.cause else advice.fix
        yield Line("failed", f"{count(number)} {one_line(code, 40)}{cause}: {text}", "bad")
    if len(by_count) > _CODES_SHOWN:
        rest = sum(number for _, number in by_count[_CODES_SHOWN:])
        yield Line("failed", f"{count(rest)} with {len(by_count) - _CODES_SHOWN} other codes", "bad")


def _doubtful_answers(figures: Figures) -> Iterator[Line]:
    if cut := figures.get("truncated"):
        yield Line("truncated", f"{counted(cut, 'answer')} cut off: raise max_tokens, or ask for less text", "warn")
    for model, number in (figures.get("other_models") or {}).items():
        yield Line("model", f"{counted(number, 'answer')} from {one_line(model, 80)}, which was not asked for", "warn")
    if others := figures.get("by_fallbacks"):
        yield Line("fallback", f"{counted(others, 'answer')} from a fallback model", "note")


def _journal(figures: Figures, noun: str) -> Iterator[Line]:
    if replayed := figures["from_journal"]:
        text = f"{counted(replayed, noun)} answered without a call, from the journal or by an identical {noun}"
        yield Line("journal", text, "note")


def _waits(figures: Figures, ending: Ending) -> Iterator[Line]:
    waits = [(with_noun(one_line(reason, 120), ending.noun), seconds) for reason, seconds in ending.waits]
    parts = [f"{duration(seconds)} for {reason}" for reason, seconds in waits]
    if figures["throttles"]:
        parts.append(f"{counted(figures['throttles'], 'call')} throttled by the endpoint")
    if parts:
        yield Line("waited", "; ".join(parts), "note")


def _money(figures: Figures, ending: Ending) -> Iterator[Line]:
    if not figures["calls"] and ending.job is None:
        return
    parts = [counted(figures["calls"], "call")]
    if figures["input_tokens"] or figures["output_tokens"]:
        parts.append(f"{short(figures['input_tokens'])} tokens in, {short(figures['output_tokens'])} out")
    if reasoning := figures.get("reasoning_tokens"):
        parts[-1] += f" ({short(reasoning)} of them reasoning)"
    yield Line("cost", f"{_cost(figures, ending)}; {'; '.join(parts)}")


def _cost(figures: Figures, ending: Ending) -> str:
    usd_of_run, job = figures["cost_usd"], ending.job
    if job is None or ending.job_runs < 2:
        return usd(usd_of_run) if usd_of_run is not None else "unknown (no price for this model)"
    runs = f"{at_least(job.spent_usd, job.unpriced)} in {ending.job_runs} runs"
    without = f" ({counted(job.unpriced, 'call')} without a price)" if job.unpriced else ""
    return f"{usd(usd_of_run)} in this run, {runs}{without}"


def billing_text(calls: int, twice: int, amount_usd: float | None) -> str:
    """What may have been billed without an answer: calls, those of them that were sent again, and their cost."""
    text = f"{counted(calls, 'call')} got no answer but may have been billed"
    text += f", at most {usd(amount_usd)}" if amount_usd else ""
    if not twice:
        return text
    verb = "was" if twice == 1 else "were"
    again = f"it {verb}" if calls == 1 else f"all {verb}" if calls == twice else f"{count(twice)} of them {verb}"
    return f"{text}; {again} sent again, and may be billed twice"


def _billing(figures: Figures, ending: Ending) -> Iterator[Line]:
    job, twice = ending.job, figures["maybe_paid_twice"]
    if job is not None and job.unanswered:
        yield Line("billing", billing_text(job.unanswered, job.maybe_paid_twice, job.unanswered_usd), "warn")
    elif calls := max(figures.get("unanswered", 0), twice):
        amount = figures["maybe_paid_twice_usd"] if calls == twice else None
        yield Line("billing", billing_text(calls, twice, amount), "warn")


def _stop(figures: Figures, ending: Ending) -> Iterator[Line]:
    if figures["stopped"]:
        advice, message = why_stopped(figures["stopped"])
        shown = one_line(message, 400) if ending.messages or not advice.cause else ""
        yield Line("stopped", ": ".join(filter(None, (advice.cause, shown))) or "the run was ended", "bad")
        if figures.get("input_unread"):
            yield Line("input", f"the rest of it was not read: its {ending.noun}s are not counted", "note")
