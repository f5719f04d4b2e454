"""The samples of all runs as the columns of plots, over the time in which a run was in progress.

The time between two runs is left out: a run that was resumed the next morning would be two spikes at the edges.
Cumulative figures become rates between two points, so nothing is lost when a sample is left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

_GAP = 0.006  # of the whole: what tells one run's line from the next one's
POINTS = 300  # for all runs together: more than a screen tells apart, and a page that stays small

Sample = dict[str, Any]
_COUNTED = ("done", "failed", "from_journal", "throttles", "input_tokens", "output_tokens")
_START: Sample = {**dict.fromkeys(_COUNTED, 0), "elapsed_s": 0.0, "failures": {}}


@dataclass(slots=True)
class Timeline:
    """Columns of one length; None in all but the first stands where a run ends.

    `at_s` is the time worked so far, over all runs; `moment` is Unix time. Rates are for each second since the point
    before; `answered_per_s` leaves out what the journal answered, so it is the endpoint's. `cost_usd` is that of all
    runs so far, None where the price is unknown. `begins_s` are the places at which the second and later runs begin.
    """

    at_s: list[float] = field(default_factory=list)
    moment: list[float | None] = field(default_factory=list)
    answered_per_s: list[float | None] = field(default_factory=list)
    failed_per_s: list[float | None] = field(default_factory=list)
    in_flight: list[float | None] = field(default_factory=list)
    limit: list[float | None] = field(default_factory=list)
    throttles_per_s: list[float | None] = field(default_factory=list)
    input_tokens_per_s: list[float | None] = field(default_factory=list)
    output_tokens_per_s: list[float | None] = field(default_factory=list)
    cost_usd: list[float | None] = field(default_factory=list)
    begins_s: list[float] = field(default_factory=list)

    def append(self, **cells: float | None) -> None:
        """One more point; what is not given is None."""
        for column in fields(self)[:-1]:
            value = cells.get(column.name)
            getattr(self, column.name).append(value)


def timeline(runs: Sequence[Sequence[Sample]]) -> Timeline:
    """The samples of each run, in the order of the runs, as one timeline."""
    line = Timeline()
    worked_s, spent_usd = 0.0, 0.0
    all_s = sum(samples[-1]["elapsed_s"] for samples in runs if samples)
    for samples in filter(None, runs):
        if line.at_s:
            line.append(at_s=worked_s)
            line.begins_s.append(worked_s)
        _add_run(line, samples, _Before(worked_s, spent_usd, all_s))
        worked_s += samples[-1]["elapsed_s"]
        spent_usd += samples[-1]["cost_usd"] or 0.0
    return line


class _Before(NamedTuple):
    """What the runs before have worked and spent, and what all of them work."""

    worked_s: float
    spent_usd: float
    all_s: float


def _add_run(line: Timeline, samples: Sequence[Sample], earlier: _Before) -> None:
    worked_s, spent_usd, all_s = earlier
    before = {**_START, "moment": samples[0]["moment"] - samples[0]["elapsed_s"]}
    for number, group in enumerate(_groups(samples, all_s / POINTS)):
        cells = _point(before, group, spent_usd)
        if number == 0:  # a rate holds from the run's first moment on
            gap_s = min(_GAP * all_s, group[-1]["elapsed_s"] / 2) if worked_s else 0.0
            line.append(**{**cells, "at_s": worked_s + gap_s, "moment": before["moment"], "cost_usd": spent_usd})
        before = group[-1]
        line.append(**cells, at_s=worked_s + before["elapsed_s"], moment=before["moment"])


def _groups(samples: Sequence[Sample], step_s: float) -> list[list[Sample]]:
    """Neighbours that share a point, so that points lie `step_s` apart or more.

    A last one that comes soon after the others (the run is over) joins them: its rate would be noise.
    """
    groups: list[list[Sample]] = []
    since_s = 0.0
    for sample in samples:
        if groups and sample["elapsed_s"] - since_s < step_s:
            groups[-1].append(sample)
            continue
        since_s = sample["elapsed_s"]
        groups.append([sample])
    *_, end_s = ends_s = [group[-1]["elapsed_s"] for group in groups]
    if len(groups) > 1 and end_s - ends_s[-2] < 0.6 * ends_s[-2] / (len(groups) - 1):
        groups[-2:] = [groups[-2] + groups[-1]]
    return groups


def _point(before: Sample, group: Sequence[Sample], spent_usd: float) -> dict[str, float | None]:
    last = group[-1]
    seconds = (last["elapsed_s"] - before["elapsed_s"]) or 1.0

    def per_s(name: str) -> float:
        return float(max(0, last[name] - before[name])) / seconds

    # `failed` counts the items that were not attempted, too: at a run's early end, all at once.
    failed = sum(last["failures"].values()) - sum(before["failures"].values())
    return {
        "answered_per_s": max(0.0, per_s("done") - per_s("from_journal") - per_s("failed")),
        "failed_per_s": failed / seconds,
        "in_flight": sum(sample["in_flight"] for sample in group) / len(group),
        "limit": last["limit"],
        "throttles_per_s": per_s("throttles"),
        "input_tokens_per_s": per_s("input_tokens"),
        "output_tokens_per_s": per_s("output_tokens"),
        "cost_usd": None if last["cost_usd"] is None else spent_usd + last["cost_usd"],
    }
