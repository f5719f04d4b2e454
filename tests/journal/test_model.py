"""The journal against a plain dict, with crashes between any two steps, and inside a transaction."""

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from kaizen_batch.journal import Entry, Journal, StoredAnswer
from kaizen_batch.results import ItemError

KEYS = [bytes([number]) * 32 for number in range(4)]
ERROR = ItemError("ServerError", "oops", "server_error", True)
USD = 0.25  # a power of two: sums are exact


@dataclass
class Row:
    """What the journal must know of one key."""

    state: str = "in_flight"
    attempts: int = 1
    spent: float = 0.0
    unanswered: int = 0
    unanswered_usd: float = 0.0
    at_risk: float = 0.0
    text: str | None = None
    error: ItemError | None = None

    @classmethod
    def of(cls, entry: Entry) -> "Row":
        text = entry.answer.text if entry.answer else None
        ledger = (entry.state, entry.attempts, entry.spent_usd, entry.unanswered, entry.unanswered_usd)
        return cls(*ledger, entry.at_risk_usd, text, entry.error)


Model = dict[bytes, Row]
Step = tuple[str, bytes, Any]  # what to do, to which key, and its only free argument


def lose(row: Row) -> None:
    if row.state == "in_flight":
        row.unanswered += 1
        row.unanswered_usd += row.at_risk
        row.at_risk = 0.0


def step(model: Model, act: str, key: bytes, value: Any) -> None:
    if act == "begin":
        row = model.setdefault(key, Row(state="new", attempts=0))
        lose(row)
        row.state, row.at_risk = "in_flight", value
        row.attempts += 1
    elif key in model:
        end(model[key], act, value)


def end(row: Row, act: str, value: Any) -> None:
    final = row.state == "done"
    if act == "lost":
        lose(row)
    if act in ("done", "useless"):
        row.spent += USD
    row.at_risk = 0.0
    if act == "done":
        row.state, row.text, row.error = "done", value, None
    elif not final:
        row.error = ERROR
        if act == "useless":
            row.state, row.text = "failed", value
        elif row.state != "unknown":
            row.state = "unknown" if act == "lost" else "failed"


def recovered(model: Model) -> Model:
    model = deepcopy(model)
    for row in model.values():
        if row.state == "in_flight":
            lose(row)
            row.state = "unknown"
    return model


class JournalMachine(RuleBasedStateMachine):
    """`known` is what was acknowledged, `open_steps` what was asked and not acknowledged, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = Path(tempfile.mkdtemp())
        self.path = self.folder / "0.db"
        self.known: Model = {}
        self.open_steps: list[Step] = []
        self.waiting: list[asyncio.Future[None]] = []

    def run(self, what: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(what)

    @initialize()
    def open(self) -> None:
        self.journal = Journal(self.path).writing()
        self.run(self.journal.__aenter__())
        self.is_open, self.reached, self.stall_after = Event(), Event(), False
        self.is_open.set()
        steps = self.journal.shared.store._steps

        def stalled(*values: Any) -> None:
            if self.stall_after:
                steps(*values)
            self.reached.set()
            assert self.is_open.wait(10)
            if not self.stall_after:
                steps(*values)

        self.journal.shared.store._steps = stalled  # type: ignore[method-assign]

    @rule(key=st.sampled_from(KEYS), usd=st.sampled_from([0.0, USD, 2 * USD]))
    def begin(self, key: bytes, usd: float) -> None:
        self.waiting.append(self.journal.begin(key, item=KEYS.index(key), request="{}", at_risk_usd=usd))
        self.open_steps.append(("begin", key, usd))

    @rule(data=st.data(), act=st.sampled_from(["done", "useless", "failed", "lost"]), text=st.text(max_size=3))
    @precondition(lambda self: self.expected())
    def end(self, data: st.DataObject, act: str, text: str) -> None:
        key = data.draw(st.sampled_from(sorted(self.expected())))
        if act == "done":
            self.waiting.append(self.journal.done(key, StoredAnswer(text), spent_usd=USD))
        elif act == "useless":
            self.journal.unusable(key, ERROR, StoredAnswer(text), spent_usd=USD)
        elif act == "failed" and data.draw(st.booleans()):
            self.waiting.append(self.journal.failed(key, ERROR))
        else:
            self.journal.end_call(key, ERROR, may_be_billed=act == "lost")
        self.open_steps.append((act, key, text))

    @rule()
    def one_turn(self) -> None:
        self.run(asyncio.sleep(0))

    @rule()
    def settle(self) -> None:
        looks = [self.journal.look_up(key) for key in KEYS]  # in the queue, so whatever nobody awaits is in as well

        async def all_of_them() -> list[Any]:
            for future in self.waiting:
                await future
            return [await look for look in looks]

        found = [Row.of(entry) for entry in self.run(all_of_them()) if entry is not None]
        self.known = self.expected()
        self.open_steps, self.waiting = [], []
        assert found == [self.known[key] for key in KEYS if key in self.known]

    @rule()
    def end_the_run_and_start_another(self) -> None:
        model = recovered(self.expected())
        self.run(self.journal.aclose())
        self.start_another(self.path, [model])

    @rule(inside=st.booleans(), after=st.booleans())
    def crash(self, inside: bool, after: bool) -> None:
        self.stall_after = after
        if inside and self.open_steps:
            self.is_open.clear()
            self.reached.clear()
            # Of a key that it has seen: any other is answered without the thread, which may be done with all else.
            self.journal.look_up(self.open_steps[-1][1])
            self.run(asyncio.sleep(0))
            assert self.reached.wait(10)
        to = self.folder / f"{int(self.path.stem) + 1}.db"
        for part in ("", "-wal"):
            if Path(f"{self.path}{part}").exists():
                shutil.copyfile(f"{self.path}{part}", f"{to}{part}")
        possible = [recovered(self.expected(steps)) for steps in range(len(self.open_steps) + 1)]
        self.is_open.set()
        self.run(self.journal.aclose())
        self.start_another(to, possible)

    @invariant()
    def reading_shows_at_least_what_was_acknowledged(self) -> None:
        if not self.open_steps:
            entries = {entry.key: Row.of(entry) for entry in Journal(self.path)}
            assert entries == self.known

    def start_another(self, path: Path, possible: list[Model]) -> None:
        if path != self.path:
            Journal(path).accept_loss()  # it is a copy of an open journal
        self.path, self.open_steps, self.waiting = path, [], []
        self.open()
        found = {entry.key: Row.of(entry) for entry in Journal(path)}
        assert found in possible
        self.known = found

    def expected(self, steps: int | None = None) -> Model:
        model = deepcopy(self.known)
        for each in self.open_steps[:steps]:
            step(model, *each)
        return model

    def teardown(self) -> None:
        if hasattr(self, "journal"):
            self.is_open.set()
            self.run(self.journal.aclose())
        self.loop.close()
        shutil.rmtree(self.folder)


TestJournalMachine = JournalMachine.TestCase
TestJournalMachine.settings = settings(
    max_examples=15, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
