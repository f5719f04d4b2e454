"""Rate limits: how much of each window is used, and how many calls are refused, ours against other libraries.

    python -m benchmarks --only limits              # real time: about five minutes for each contestant
    python -m benchmarks --only limits --quick      # every minute takes three seconds; ours alone

All cases of one contestant run at the same time, each in a process of its own that is killed when its time is over.
What happened is read from the ledger of the endpoint. The share of the limit that is used is that of the whole time,
its first burst included, and that of the least full minute.
"""

import asyncio
import json
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.harness import ROOT, Plan, endpoint
from benchmarks.limit_cases import CASES, ITEMS, LEAST_USED, MINUTE_S, MOST_REFUSED, Case, Enforced
from benchmarks.tables import Target, write

MEASURED = Path(__file__).parent / "measured" / "limits.json"
OURS = "ours"
PEERS = {
    "LangChain": "peers.langchain:limited",
    "official SDK": "peers.sdk:limited",
    "async-batch-llm": "peers.async_batch_llm:limited",
}
QUICK_SCALE = 20.0
QUICK = ("any 60 s, RPM set", "5 a second, RPM set", "OpenAI headers", "killed and run again, RPM set")
_LOOKS_EACH_S = 0.25
_STARTS_WITHIN_S = 600.0
_NOT_INSTALLED = 3


@dataclass(frozen=True, slots=True)
class Found:
    """What the ledger says of one case: shares of the limit, of the calls refused, and the most in one window."""

    calls: int
    refused: int
    used: float
    least: float
    most: float

    @property
    def share_refused(self) -> float:
        """Of all calls."""
        return self.refused / (self.calls + self.refused) if self.calls else 1.0


def run(plan: Plan) -> list[Target]:
    """All cases in real time, or few of them fast; print the table."""
    scale = QUICK_SCALE if plan.quick else 1.0
    cases = [number for number, case in enumerate(CASES) if not plan.quick or case.label in QUICK]
    found: dict[str, dict[int, Found]] = {}
    with endpoint("benchmarks.limited_endpoint", scale=scale) as url:
        for label, arm in {OURS: "ours", **({} if plan.quick else PEERS)}.items():
            theirs = [number for number in cases if label == OURS or not CASES[number].ours_only]
            if measured := measure(url, arm, theirs, scale):
                found[label] = measured
    targets = [target for number, each in found[OURS].items() for target in targets_of(CASES[number], each)]
    print("", *table(found), "", *map(str, targets), sep="\n", flush=True)
    named = {label: {CASES[number].label: asdict(each) for number, each in row.items()} for label, row in found.items()}
    write("limits-quick" if plan.quick else "limits", {"found": named}, targets)
    return targets


def measure(url: str, arm: str, numbers: Sequence[int], scale: float) -> dict[int, Found]:
    """Run cases of one contestant at the same time; none if it is not installed."""
    with ExitStack() as stack:
        clients = [stack.enter_context(_client(url, arm, number, scale)) for number in numbers]
        while [client for client in clients if client.goes_on()]:
            time.sleep(_LOOKS_EACH_S)
        if any(client.is_missing for client in clients):
            return {}
        return {client.number: evaluate(CASES[client.number], client.ask("ledger"), scale) for client in clients}


@contextmanager
def _client(url: str, arm: str, number: int, scale: float) -> Iterator["_Client"]:
    with tempfile.TemporaryDirectory() as folder:
        client = _Client(f"{url}/{arm.partition(':')[0]}/{number}", arm, number, scale, folder)
        try:
            yield client
        finally:
            client.close()


class _Client:
    """The process of one case, and the endpoint's ledger of it."""

    def __init__(self, url: str, arm: str, number: int, scale: float, folder: str) -> None:
        case = CASES[number]
        self.number = number
        self.is_missing = self._is_over = False
        self._url, self._case, self._scale = url, case, scale
        self._killed = case.killed_at is None
        where = f"ours:{case.arm}" if arm == OURS else arm
        options: dict[str, Any] = {"requests_per_minute": case.options.get("requests_per_minute")}
        if arm == OURS:
            options = {**case.options, "minute_s": MINUTE_S / scale}
            if options.get("journal"):
                options["journal"] = str(Path(folder) / "run.db")
        given = {"url": f"{url}/v1", "at_once": case.at_once, "items": ITEMS, **options}
        self._command = [sys.executable, "-m", "benchmarks.limits", where, json.dumps(given)]
        self._began = time.monotonic()
        self._errors = Path(folder, "stderr").open("w+")  # noqa: SIM115 - closed with the process
        self._start()

    def _start(self) -> None:
        self._process = subprocess.Popen(self._command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=self._errors)

    def ask(self, what: str) -> dict[str, Any]:
        """The endpoint's `ledger` of this case, or the `progress`."""
        with urllib.request.urlopen(f"{self._url}/{what}") as response:
            seen: dict[str, Any] = json.load(response)
        return seen

    def goes_on(self) -> bool:
        """Whether its time is not over. Raises: SystemExit if it ended early with an error, or never began."""
        if self._is_over:
            return False
        code = self._process.poll()
        if code == _NOT_INSTALLED:
            self.is_missing = self._is_over = True
            return False
        if code:
            self._errors.seek(0)
            raise SystemExit(f"{self._command[3]}, {self._case.label}, failed:\n{self._errors.read()[-3000:]}")
        seen = self.ask("progress")
        if not seen["elapsed_s"] and time.monotonic() > self._began + _STARTS_WITHIN_S:
            raise SystemExit(f"{self._command[3]}, {self._case.label}: no call within {_STARTS_WITHIN_S:g} s")
        if not self._killed and seen["admitted"] >= (self._case.killed_at or 0):
            self.kill()
            self._killed = True
            self._start()
        self._is_over = bool(seen["elapsed_s"] >= self._case.seconds / self._scale)
        if self._is_over:
            self.kill()
        return not self._is_over

    def close(self) -> None:
        """End it for good."""
        self.kill()
        self._errors.close()

    def kill(self) -> None:
        """End it as a crash would."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()


def _times(seen: dict[str, Any]) -> list[float]:
    return sorted([*(at for at, _ in seen["admitted"]), *seen["refused"]])


def evaluate(case: Case, seen: dict[str, Any], scale: float) -> Found:
    """The figures of a ledger, up to the end of the case's time."""
    times = _times(seen)
    end = times[0] + case.seconds / scale
    admitted = [(at - times[0], tokens) for at, tokens in seen["admitted"] if at < end]
    refused = [at - times[0] for at in seen["refused"] if at < end]
    windows = [each for each in case.enforced if each.period_s <= MINUTE_S]
    minutes, minute_s = int(case.seconds / MINUTE_S), MINUTE_S / scale

    def used(start: float, end: float) -> float:
        allowed = {each: each.limit * (end - start) * scale / each.period_s for each in windows}
        return max(_cost(each, admitted, start, end) / allowed[each] for each in windows)

    sent = sorted([*((at, 1) for at, _ in admitted), *((at, 1) for at in refused)])
    most = worst(sent, minute_s)
    least = min(used(n * minute_s, (n + 1) * minute_s) for n in range(minutes))
    return Found(len(admitted), len(refused), used(0.0, minutes * minute_s), least, most)


def _cost(window: Enforced, admitted: Iterable[tuple[float, int]], start: float, end: float) -> float:
    costs = ((at, tokens if window.quantity == "tokens" else 1) for at, tokens in admitted)
    return sum(cost for at, cost in costs if start <= at < end)


def worst(calls: Sequence[tuple[float, int]], period_s: float) -> int:
    """The most that was sent in any window of this length."""
    most = total = first = 0
    for at, cost in calls:
        total += cost
        while calls[first][0] <= at - period_s:
            total -= calls[first][1]
            first += 1
        most = max(most, total)
    return most


def targets_of(case: Case, found: Found) -> list[Target]:
    """At least 97% of the limit, few refusals, and never more than the configured limit."""
    targets = [
        Target(f"{case.label}: of the limit", found.used, LEAST_USED, form=".1%"),
        Target(f"{case.label}: refused", found.share_refused, MOST_REFUSED[case.known], at_most=True, form=".2%"),
    ]
    limit = case.options.get("requests_per_minute")
    if limit is not None and case.options.get("rate_counts_from") is None:
        targets.append(Target(f"{case.label}: most in a minute", found.most, limit, at_most=True))
    return targets


def table(found: dict[str, dict[int, Found]]) -> list[str]:
    """A Markdown table: for each case the share of the limit that each contestant used, and its 429s."""
    head = ["server and settings", *found]
    lines = [f"| {' | '.join(head)} |", f"|---{'|---:' * len(found)}|"]
    for number in found[OURS]:
        cells = [_shown(row.get(number)) for row in found.values()]
        lines.append(f"| {' | '.join([CASES[number].label, *cells])} |")
    return lines


def measured_table() -> list[str]:
    """The table of `docs/limits.md`, from `results/limits.json` of a run in real time."""
    figures = json.loads(MEASURED.read_text())["found"]
    numbers = {case.label: number for number, case in enumerate(CASES)}
    return table(
        {label: {numbers[case]: Found(**each) for case, each in row.items()} for label, row in figures.items()}
    )


def _shown(found: Found | None) -> str:
    return f"{found.used:.0%} / {found.refused:,}" if found else "-"


def main(where: str, parameters: str) -> None:
    """The entry point of a client's process."""
    module, _, name = where.partition(":")
    try:
        function: Callable[..., Any] = getattr(import_module(f"benchmarks.{module}"), name)
    except ModuleNotFoundError as error:
        print(error, file=sys.stderr)
        raise SystemExit(_NOT_INSTALLED) from None
    asyncio.run(function(**json.loads(parameters)))


if __name__ == "__main__":
    main(*sys.argv[1:])
