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

# Kinds of operation: on one call, and on the run itself, whose row is its id, a moment and some JSON.
LOOK_UP, CALL, RUN_BEGUN, RUN_SAMPLED, RUN_ENDED = range(5)

ON_RUN = {
    RUN_BEGUN: "INSERT INTO runs (id, begun_at, description) VALUES (?, ?, ?)",
    RUN_SAMPLED: "INSERT INTO samples VALUES (?, ?, ?)",
    # All three take the same cells. Numbered placeholders would reorder them; Python 3.12 wants those bound by name.
    RUN_ENDED: "UPDATE runs SET ended_at = cells.moment, summary = cells.text"
    " FROM (SELECT ? AS id, ? AS moment, ? AS text) AS cells WHERE runs.id = cells.id",
}

CALL_CELLS = ("key", "state", "moment", "item", "request", "at_risk_usd", "error", "spent_usd", *ANSWER_COLUMNS)
NO_ANSWER = (None,) * len(ANSWER_COLUMNS)

# What a row of cells says is told by its state and by whether it has an answer:
# in flight: a call begins. On a row in flight (a hedge, or a run that forgot) the earlier call counts as unanswered
#   from here on, so that the bound holds whichever of the two answers.
# done; failed, with an answer: a call was answered.
# failed or unknown, without: a call failed; the unknown may have been billed.
# A late error takes nothing away from an answer, nor the doubt from a call that may have been billed.
_BEGINS = "excluded.state = 'in_flight'"
_ANSWERS = "excluded.latency_s IS NOT NULL"
_DOUBTED = f"({_BEGINS} OR excluded.state = 'unknown')"
_FINAL = "(state = 'done' AND excluded.state <> 'done')"
_CHANGES = {
    "state": f"iif({_BEGINS} OR excluded.state = 'done', excluded.state, iif(state = 'done' OR (state = 'unknown'"
    f" AND NOT {_ANSWERS}), state, excluded.state))",
    "attempts": f"attempts + ({_BEGINS})",
    "begun_at": f"iif({_BEGINS}, excluded.begun_at, begun_at)",
    "ended_at": f"iif({_BEGINS} OR ({_ANSWERS} AND {_FINAL}), ended_at, excluded.ended_at)",
    "error": f"iif({_BEGINS} OR {_FINAL}, error, excluded.error)",
    "spent_usd": "spent_usd + excluded.spent_usd",
    "at_risk_usd": "excluded.at_risk_usd",
    "unanswered": f"unanswered + (state = 'in_flight' AND {_DOUBTED})",
    "unanswered_usd": f"unanswered_usd + iif({_DOUBTED}, at_risk_usd, 0)",
    **{name: f"iif(NOT {_ANSWERS} OR {_FINAL}, {name}, excluded.{name})" for name in ANSWER_COLUMNS},
}
_BEGUN = "column2 = 'in_flight'"
_INSERTED = {
    "key": "column1",
    "state": "column2",
    "begun_at": f"iif({_BEGUN}, column3, NULL)",
    "ended_at": f"iif({_BEGUN}, NULL, column3)",
    "item": "coalesce(column4, -1)",
    "request": "coalesce(column5, 'null')",
    "at_risk_usd": "coalesce(column6, 0)",
    "error": "column7",
    "spent_usd": "coalesce(column8, 0)",
    "unanswered": "column2 = 'unknown'",
    **{name: f"column{CALL_CELLS.index(name) + 1}" for name in ANSWER_COLUMNS},
}

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
    """The statement that notes so many rows of CALL_CELLS, in their order; a row without a key is none.

    One for all that can happen to a call: each statement gives up the interpreter several times, and each time must
    win it back from a busy loop, which can take as long as Python's switch interval (5 ms).
    """
    row = f"({', '.join('?' * len(CALL_CELLS))})"
    changes = ", ".join(f"{name} = {value}" for name, value in _CHANGES.items())
    return (
        f"INSERT INTO calls ({', '.join(_INSERTED)}) SELECT {', '.join(_INSERTED.values())}"
        f" FROM (VALUES {', '.join([row] * rows)}) WHERE column1 IS NOT NULL"
        f" ON CONFLICT (key) DO UPDATE SET {changes}"
    )


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
