"""The tables of the journal, and every statement that touches them."""

from functools import lru_cache

APPLICATION_ID = 0x4B5A424A  # "KZBJ", in the file's header: tells a journal from any other SQLite file
FORMAT = 1

# `calls_ledger` answers counts and sums without reading the rows, which hold whole prompts.
CREATE = f"""
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE calls (
    id INTEGER PRIMARY KEY,
    key BLOB NOT NULL UNIQUE,
    state TEXT NOT NULL,
    item INTEGER NOT NULL DEFAULT -1,
    attempts INTEGER NOT NULL DEFAULT 1,
    begun_at REAL,
    ended_at REAL,
    spent_usd REAL NOT NULL DEFAULT 0,
    unanswered INTEGER NOT NULL DEFAULT 0,
    unanswered_usd REAL NOT NULL DEFAULT 0,
    at_risk_usd REAL NOT NULL DEFAULT 0,
    error TEXT,
    finish_reason TEXT,
    refusal TEXT,
    model TEXT,
    answered_by TEXT,
    input_tokens INTEGER,
    output_tokens INTEGER,
    cached_tokens INTEGER,
    latency_s REAL,
    value TEXT,
    text TEXT,
    request TEXT NOT NULL DEFAULT 'null'
);
CREATE TABLE runs (
    id BLOB PRIMARY KEY,
    begun_at REAL NOT NULL,
    ended_at REAL,
    description TEXT NOT NULL,
    summary TEXT
) WITHOUT ROWID;
CREATE TABLE samples (run BLOB NOT NULL, moment REAL NOT NULL, figures TEXT NOT NULL);
CREATE INDEX samples_run ON samples (run, moment);
CREATE INDEX calls_item ON calls (item);
CREATE INDEX calls_ledger ON calls (state, attempts, spent_usd, unanswered, unanswered_usd);
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {FORMAT};
"""

ANSWER_COLUMNS = (
    "text",
    "finish_reason",
    "refusal",
    "model",
    "answered_by",
    "value",
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "latency_s",
)
ENTRY_COLUMNS = (
    "key",
    "state",
    "item",
    "request",
    "attempts",
    "begun_at",
    "ended_at",
    "error",
    "spent_usd",
    "unanswered",
    "unanswered_usd",
    "at_risk_usd",
    *ANSWER_COLUMNS,
)
_ENTRY = ", ".join(ENTRY_COLUMNS)

# A begin on a row in flight (a hedge, or a run that forgot): the earlier call counts as unanswered from here on, so
# that the bound holds whichever of the two answers.
_BEGIN = """
    state = excluded.state, attempts = attempts + 1, begun_at = excluded.begun_at, at_risk_usd = excluded.at_risk_usd,
    unanswered = unanswered + (state = 'in_flight'), unanswered_usd = unanswered_usd + at_risk_usd
"""
# A late error takes nothing away from an answer, nor the doubt from a call that may have been billed.
_END = """
    state = iif(state IN ('done', 'unknown'), state, excluded.state), ended_at = excluded.ended_at,
    error = iif(state = 'done', error, excluded.error), spent_usd = spent_usd + excluded.spent_usd, at_risk_usd = 0
"""
_LOST = """
    state = iif(state = 'done', state, excluded.state), ended_at = excluded.ended_at,
    error = iif(state = 'done', error, excluded.error), spent_usd = spent_usd + excluded.spent_usd, at_risk_usd = 0,
    unanswered = unanswered + (state = 'in_flight'), unanswered_usd = unanswered_usd + at_risk_usd
"""
_KEEP = "state = 'done' AND excluded.state <> 'done'"
_RENEWED = ("state", "ended_at", "error", *ANSWER_COLUMNS)
_ANSWERED = ", ".join(
    [f"{name} = iif({_KEEP}, {name}, excluded.{name})" for name in _RENEWED]
    + ["spent_usd = spent_usd + excluded.spent_usd", "at_risk_usd = 0"]
)

# Kinds of operation: on one call, and on the run itself, whose `key` is its id and whose `request` some JSON.
LOOK_UP, BEGIN, END, LOST, ANSWERED, RUN_BEGUN, RUN_SAMPLED, RUN_ENDED = range(8)
_KINDS: tuple[tuple[int, dict[str, str]], ...] = (
    (BEGIN, {"begun_at": "NEW.moment", "item": "NEW.item", "request": "NEW.request", "at_risk_usd": "NEW.at_risk_usd"}),
    (END, {}),
    (LOST, {"unanswered": "1"}),
    (ANSWERED, {name: f"NEW.{name}" for name in ANSWER_COLUMNS}),
)
_CHANGES = {BEGIN: _BEGIN, END: _END, LOST: _LOST, ANSWERED: _ANSWERED}
_ENDED = {"ended_at": "NEW.moment", "error": "NEW.error", "spent_usd": "NEW.spent_usd"}

_ON_RUN = {
    RUN_BEGUN: "INSERT INTO runs (id, begun_at, description) VALUES (NEW.key, NEW.moment, NEW.request)",
    RUN_SAMPLED: "INSERT INTO samples VALUES (NEW.key, NEW.moment, NEW.request)",
    RUN_ENDED: "UPDATE runs SET ended_at = NEW.moment, summary = NEW.request WHERE id = NEW.key",
}

OPERATION_COLUMNS = (
    "kind",
    "key",
    "state",
    "moment",
    "item",
    "request",
    "at_risk_usd",
    "error",
    "spent_usd",
    *ANSWER_COLUMNS,
)


def operations() -> list[str]:
    """The view into which operations are inserted, and the triggers that do them; temporary, not part of the file.

    So any number of operations of any kind is one statement. Every statement gives up the interpreter several times,
    and each time must win it back from a busy loop, which can take as long as Python's switch interval (5 ms).
    """
    cells = ", ".join(f"NULL AS {name}" for name in OPERATION_COLUMNS)
    view = f"CREATE TEMP VIEW operations AS SELECT {cells}"
    return [
        view,
        *(_trigger(kind, _on_call(kind, own)) for kind, own in _KINDS),
        *(_trigger(kind, statement) for kind, statement in _ON_RUN.items()),
    ]


def _trigger(kind: int, statement: str) -> str:
    return (
        f"CREATE TEMP TRIGGER operation_{kind} INSTEAD OF INSERT ON operations WHEN NEW.kind = {kind} BEGIN"
        f" {statement}; END"
    )


def _on_call(kind: int, own: dict[str, str]) -> str:
    cells = {"key": "NEW.key", "state": "NEW.state", **({} if kind == BEGIN else _ENDED), **own}
    return (
        f"INSERT INTO calls ({', '.join(cells)}) VALUES ({', '.join(cells.values())})"
        f" ON CONFLICT (key) DO UPDATE SET {_CHANGES[kind]}"
    )


RECOVER = """
UPDATE calls SET state = 'unknown', unanswered = unanswered + 1, unanswered_usd = unanswered_usd + at_risk_usd,
    at_risk_usd = 0 WHERE state = 'in_flight'
"""
KEYS = "SELECT key FROM calls"
COUNT = "SELECT state, count(*) FROM calls GROUP BY state"
# The calls without an answer of one request were asked with one body, so each cost the same at most.
TOTALS = """
SELECT coalesce(sum(attempts), 0), total(spent_usd), coalesce(sum(unanswered), 0), total(unanswered_usd),
    coalesce(sum(twice), 0), total(iif(unanswered, unanswered_usd * twice / unanswered, 0))
FROM (SELECT *, iif(state = 'done', unanswered, max(0, unanswered - 1)) AS twice FROM calls)
"""
RUNS = "SELECT id, begun_at, ended_at, description, summary FROM runs ORDER BY begun_at, id"
SAMPLES = "SELECT moment, figures FROM samples WHERE run = ? ORDER BY moment"
SET_META = "INSERT OR REPLACE INTO meta VALUES (?, ?)"
GET_META = "SELECT value FROM meta WHERE name = ?"


@lru_cache
def look_up(rows: int) -> str:
    """The statement that reads the entries of so many keys."""
    return f"SELECT {_ENTRY} FROM calls WHERE key IN ({', '.join('?' * rows)})"


@lru_cache
def write(rows: int) -> str:
    """The statement that does so many operations, in their order."""
    row = f"({', '.join('?' * len(OPERATION_COLUMNS))})"
    return f"INSERT INTO operations VALUES {', '.join([row] * rows)}"


def page(states: int) -> str:
    """One page of entries in order of item, after a given place, in one of so many states."""
    wanted = ", ".join("?" * states)
    return f"SELECT id, {_ENTRY} FROM calls WHERE (item, id) > (?, ?) AND state IN ({wanted}) ORDER BY item, id LIMIT ?"


# By rowid, and without the bodies, which stand in the last columns: SQLite does not even read the pages they run over.
OUTLINES = "SELECT id, key, state, item, latency_s, error FROM calls WHERE id > ? ORDER BY id LIMIT ?"


def prune(states: int) -> str:
    """Deletes the entries in one of so many states that ended (or, with no end seen, began) before a given time."""
    wanted = ", ".join("?" * states)
    return f"DELETE FROM calls WHERE state IN ({wanted}) AND coalesce(ended_at, begun_at, 0) <= ?"
