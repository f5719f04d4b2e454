"""Batches of a provider as lines: the one source for `status`, `cancel`, the report and the end of a run."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kaizen_batch.results.texts.numbers import count, counted, duration, usd
from kaizen_batch.results.texts.summary import Line
from kaizen_batch.results.texts.terminal import one_line

_SHOWN = 20
_STATES = {
    "cutting": "being cut when the run ended; its rows are asked again",
    "ready": "not uploaded yet",
    "uploaded": "uploaded, not made yet",
    "creating": "being made",
    "ended": "ended, not collected yet",
}

Figures = Mapping[str, Any]
"""A batch of a journal as a dict, with its `status`."""


def batch_lines(batches: Sequence[Figures], now: float) -> list[Line]:
    """The batches that are open, a line each, then those that are over in one."""
    open_ones = [batch for batch in batches if batch["is_open"]]
    texts = [batch_text(batch, now) for batch in open_ones[:_SHOWN]]
    if len(open_ones) > _SHOWN:
        texts.append(f"and {count(len(open_ones) - _SHOWN)} more")
    if len(open_ones) < len(batches):
        rows = sum(batch["rows"] for batch in batches if batch["state"] == "collected")
        texts.append(f"{counted(rows, 'row')} collected from earlier batches")
    return [Line(" " if number else "batches", text, "note") for number, text in enumerate(texts)]


def batch_text(batch: Figures, now: float) -> str:
    """One batch: rows, state, counts, age, expiry, money at risk."""
    status = str(batch["status"])
    parts = [counted(batch["rows"], "row"), _STATES.get(status, _words(status))]
    if done := batch["counts"].get("completed"):
        parts.append(f"{count(done)} done")
    parts.append(f"made {duration(max(0.0, now - batch['begun_at']))} ago")
    if batch["expires_at"]:
        left_s = batch["expires_at"] - now
        parts.append(f"expires in {duration(left_s)}" if left_s > 0 else "expired")
    if batch["at_risk_usd"]:
        parts.append(f"at most {usd(batch['at_risk_usd'])} at risk")
    name = batch["remote_id"] or batch["intent"][:12]
    return f"{one_line(str(name), 80)}: {', '.join(parts)}"


def states_text(states: Mapping[str, int], rows: int, done: int) -> str:
    """Several batches in one sentence: "3 batches (2 in progress, 1 validating), 1,200 of 15,000 rows done"."""
    number = batches_text(sum(states.values()))
    each = ", ".join(f"{count(many)} {_words(state)}" for state, many in sorted(states.items()))
    return f"{number} ({each}), {count(done)} of {counted(rows, 'row')} done"


def batches_text(number: int) -> str:
    """1 batch, 2 batches."""
    return f"{count(number)} batch{'' if number == 1 else 'es'}"


def figures_of(batches: Iterable[Any]) -> list[Figures]:
    """Batches of a journal as dicts."""
    names = ("intent", "state", "status", "is_open", "rows", "counts", "begun_at", "expires_at", "at_risk_usd")
    return [{name: getattr(batch, name) for name in (*names, "remote_id")} for batch in batches]


def _words(state: str) -> str:
    return one_line(state.replace("_", " "), 40)
