"""A run's summary as sentences: the one source for the terminal, `status`, the report, `--json` and notebooks.

It takes the figures of `BatchSummary.to_dict()`, which is also what a journal keeps of a run, so that a run reads the
same wherever it is shown. It knows no display: a line is a label and a sentence.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from kaizen_batch.texts.advice import advice_on, why_stopped
from kaizen_batch.texts.numbers import count, counted, duration, rate, short, usd
from kaizen_batch.texts.terminal import one_line

_CODES_SHOWN = 6

Figures = Mapping[str, Any]
"""The summary of a run as a dict, perhaps one that an earlier version stored."""


class Line(NamedTuple):
    """One thing there is to say: `kind` is "", "note", "warn" or "bad"."""

    label: str
    text: str
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Ending:
    """What is known of a run besides its summary.

    `noun` is what an item is called. `job_usd` is what all runs on the journal have cost, `job_runs` how many there
    were. `waits` are the reasons and seconds of `Waits`. `messages` adds the message of the error that ended the run,
    which comes from the endpoint.
    """

    noun: str = "item"
    job_usd: float | None = None
    job_runs: int = 1
    waits: Sequence[tuple[str, float]] = ()
    messages: bool = False


def headline(figures: Figures, noun: str = "item") -> str:
    """The run in one sentence: "5,000 rows in 2 min 14 s (37/s): 4,892 done, 108 failed"."""
    parts = [f"{count(figures['ok'])} done"]
    parts += [f"{count(figures['failed'])} failed"] if figures["failed"] else []
    parts += [f"{count(figures['not_attempted'])} not attempted"] if figures["not_attempted"] else []
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
        *_failures(figures),
        *_doubtful_answers(figures),
        *_journal(figures, ending.noun),
        *_waits(figures, ending.waits),
        *_money(figures, ending),
        *_paid_twice(figures),
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


def _failures(figures: Figures) -> Iterator[Line]:
    by_count = sorted(figures["failures"].items(), key=lambda each: -each[1])
    for code, number in by_count[:_CODES_SHOWN]:
        advice = advice_on(code)
        cause = f" ({advice.cause})" if advice.cause else ""
        yield Line("failed", f"{count(number)} {one_line(code, 40)}{cause}: {advice.fix}", "bad")
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
        text = f"{counted(replayed, noun)} answered before, without a call"
        yield Line("journal", text, "note")


def _waits(figures: Figures, waits: Sequence[tuple[str, float]]) -> Iterator[Line]:
    parts = [f"{duration(seconds)} for {one_line(reason, 120)}" for reason, seconds in waits]
    if figures["throttles"]:
        parts.append(f"the endpoint throttled {counted(figures['throttles'], 'call')}")
    if parts:
        yield Line("waited", "; ".join(parts), "note")


def _money(figures: Figures, ending: Ending) -> Iterator[Line]:
    if not figures["calls"] and ending.job_usd is None:
        return
    parts = [counted(figures["calls"], "call")]
    if figures["input_tokens"] or figures["output_tokens"]:
        parts.append(f"{short(figures['input_tokens'])} tokens in, {short(figures['output_tokens'])} out")
    if reasoning := figures.get("reasoning_tokens"):
        parts[-1] += f" ({short(reasoning)} of them reasoning)"
    yield Line("cost", f"{_cost(figures, ending)}; {'; '.join(parts)}")


def _cost(figures: Figures, ending: Ending) -> str:
    if figures["cost_usd"] is None:
        return "unknown (no price for this model)"
    if ending.job_usd is None or ending.job_runs < 2:
        return usd(figures["cost_usd"])
    return f"{usd(figures['cost_usd'])} in this run, {usd(ending.job_usd)} in all {ending.job_runs} runs"


def _paid_twice(figures: Figures) -> Iterator[Line]:
    if calls := figures["maybe_paid_twice"]:
        amount = figures["maybe_paid_twice_usd"]
        at_most = f", at most {usd(amount)}" if amount is not None else ""
        yield Line("doubt", f"{counted(calls, 'call')} may have been billed twice{at_most}: no answer came", "warn")


def _stop(figures: Figures, ending: Ending) -> Iterator[Line]:
    if figures["stopped"]:
        advice, message = why_stopped(figures["stopped"])
        because = f": {one_line(message, 400)}" if ending.messages and message else ""
        yield Line("stopped", f"{advice.cause}{because}", "bad")
