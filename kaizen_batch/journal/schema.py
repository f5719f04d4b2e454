"""The tables of the journal, and every statement that reads or writes them.

A row of `calls` holds all that is known of one request. Its states:

    (none) --begin--> in_flight --done--> done
                          |------failed--> failed      answered, or certainly not billed
                          |------torn----> unknown     perhaps billed, and no answer was seen
                          |------unsent--> what it was before, or (none)
    in_flight, when the process dies --> unknown; submitted (in a batch) stays submitted

Money is conserved: a call that began is in `at_risk_usd` until it ends; then its cost is in `spent_usd`, in
`unanswered_usd` (at most so much), or nowhere, if it certainly cost nothing.
"""

from functools import lru_cache

APPLICATION_ID = 0x4B5A424A  # "KZBJ", in the file's header: distinguishes a journal from any other SQLite file
FORMAT = 2

# A checksum of the numbers of a row, which SQLite keeps by itself; one of its answer is `answer_check`.
_LEDGER = (
    "unicode(state) + 7 * length(state) + 31 * attempts + 1009 * unanswered + 10007 * unpriced"
    " + CAST(1e9 * spent_usd AS INTEGER) * 3 + CAST(1e9 * unanswered_usd AS INTEGER) * 5"
    " + CAST(1e9 * at_risk_usd AS INTEGER) * 11"
)

# The long columns come last: to read the others, SQLite does not touch the pages that these run over.
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
    unpriced INTEGER NOT NULL DEFAULT 0,
    unanswered INTEGER NOT NULL DEFAULT 0,
    unanswered_usd REAL NOT NULL DEFAULT 0,
    at_risk_usd REAL NOT NULL DEFAULT 0,
    before TEXT,
    via TEXT NOT NULL DEFAULT 'live',
    batch INTEGER,
    max_tokens INTEGER,
    ledger_check INTEGER GENERATED ALWAYS AS ({_LEDGER}) STORED,
    answer_check INTEGER,
    error TEXT,
    finish_reason TEXT,
    refusal TEXT,
    model TEXT,
    answered_by TEXT,
    input_tokens INTEGER,
    output_tokens INTEGER,
    cached_tokens INTEGER,
    reasoning_tokens INTEGER,
    latency_s REAL,
    value TEXT,
    text TEXT,
    reasoning TEXT,
    request TEXT NOT NULL DEFAULT 'null'
);
CREATE TABLE batches (
    id INTEGER PRIMARY KEY,
    intent TEXT NOT NULL UNIQUE,
    endpoint TEXT NOT NULL,
    model TEXT NOT NULL,
    state TEXT NOT NULL,
    begun_at REAL NOT NULL,
    input_file TEXT,
    remote_id TEXT,
    rows INTEGER NOT NULL DEFAULT 0,
    at_risk_usd REAL NOT NULL DEFAULT 0,
    deadline_at REAL,
    expires_at REAL,
    counts TEXT,
    error TEXT
);
CREATE TABLE media (
    sha256 BLOB PRIMARY KEY,
    size INTEGER NOT NULL,
    type TEXT,
    name TEXT,
    bytes BLOB
) WITHOUT ROWID;
CREATE TABLE runs (
    id BLOB PRIMARY KEY,
    begun_at REAL NOT NULL,
    ended_at REAL,
    description TEXT NOT NULL,
    summary TEXT
) WITHOUT ROWID;
CREATE TABLE samples (run BLOB NOT NULL, moment REAL NOT NULL, figures TEXT NOT NULL);
CREATE TABLE rows (
    run BLOB NOT NULL,
    number INTEGER NOT NULL,
    id TEXT,
    key BLOB,
    status TEXT NOT NULL,
    PRIMARY KEY (run, number)
) WITHOUT ROWID;
CREATE INDEX samples_run ON samples (run, moment);
CREATE INDEX calls_item ON calls (item);
CREATE INDEX calls_begun ON calls (begun_at);
CREATE INDEX calls_ledger ON calls (state, attempts, spent_usd, unpriced, unanswered, unanswered_usd, at_risk_usd);
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
    "reasoning",
    "reasoning_tokens",
    "max_tokens",
    "answer_check",
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
    "unpriced",
    "unanswered",
    "unanswered_usd",
    "at_risk_usd",
    "via",
    "batch",
    *ANSWER_COLUMNS,
)
_ENTRY = ", ".join(ENTRY_COLUMNS)

# Kinds of operation: on one call, on a row of the input, on media, and on the run itself.
LOOK_UP, CALL, UNSENT, ROW, MEDIA, RUN_BEGUN, RUN_SAMPLED, RUN_ENDED, RUN_LISTED = range(9)

ON_RUN = {
    RUN_BEGUN: "INSERT INTO runs (id, begun_at, description) VALUES (?, ?, ?)",
    RUN_SAMPLED: "INSERT INTO samples VALUES (?, ?, ?)",
    RUN_ENDED: "UPDATE runs SET ended_at = ?, summary = ? WHERE id = ?",
    RUN_LISTED: "DELETE FROM rows WHERE run <> ?",  # a complete run of a job has listed every row again
}
SET_MEDIA = "INSERT OR IGNORE INTO media (sha256, size, type, name, bytes) VALUES (?, ?, ?, ?, ?)"
SET_ROW = "INSERT OR REPLACE INTO rows (run, number, id, key, status) VALUES (?, ?, ?, ?, ?)"

CALL_CELLS = (
    "key",
    "state",
    "moment",
    "item",
    "request",
    "at_risk_usd",
    "error",
    "spent_usd",
    "unpriced",
    "via",
    "batch",
    *ANSWER_COLUMNS,
)
NO_ANSWER = (None,) * len(ANSWER_COLUMNS)

# What a row of cells means follows from its state, and from whether it has an answer:
# in flight, submitted: a call begins. On a row in flight (a hedge) the earlier call counts as unanswered from here on,
#   so that the bound holds whichever of the two answers.
# done; failed, with an answer: a call was answered.
# failed or unknown, without: a call failed; the unknown one may have been billed.
# A late error takes nothing away from an answer, nor the doubt from a call that may have been billed.
_BEGINS = "excluded.state IN ('in_flight', 'submitted')"
_ANSWERS = "excluded.latency_s IS NOT NULL"
_UNDER_WAY = "state IN ('in_flight', 'submitted')"
_DOUBTED = f"({_BEGINS} OR excluded.state = 'unknown')"
_FINAL = "(state = 'done' AND excluded.state <> 'done')"
_CHANGES = {
    "state": f"iif({_BEGINS} OR excluded.state = 'done', excluded.state, iif(state = 'done' OR (state = 'unknown'"
    f" AND NOT {_ANSWERS}), state, excluded.state))",
    "before": f"iif({_BEGINS}, state, before)",
    "attempts": f"attempts + ({_BEGINS})",
    "begun_at": f"iif({_BEGINS}, excluded.begun_at, begun_at)",
    "ended_at": f"iif({_BEGINS} OR ({_ANSWERS} AND {_FINAL}), ended_at, excluded.ended_at)",
    "error": f"iif({_BEGINS} OR {_FINAL}, error, excluded.error)",
    "spent_usd": "spent_usd + excluded.spent_usd",
    "unpriced": "unpriced + excluded.unpriced",
    "at_risk_usd": "excluded.at_risk_usd",
    "unanswered": f"unanswered + ({_UNDER_WAY} AND {_DOUBTED})",
    "unanswered_usd": f"unanswered_usd + iif({_DOUBTED}, at_risk_usd, 0)",
    "via": f"iif({_BEGINS} OR {_ANSWERS}, excluded.via, via)",
    "batch": f"iif({_BEGINS} OR {_ANSWERS}, excluded.batch, batch)",
    **{name: f"iif(NOT {_ANSWERS} OR {_FINAL}, {name}, excluded.{name})" for name in ANSWER_COLUMNS},
}
_BEGUN = "column2 IN ('in_flight', 'submitted')"
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
    "unpriced": "coalesce(column9, 0)",
    "unanswered": "column2 = 'unknown'",
    "via": "coalesce(column10, 'live')",
    "batch": "column11",
    **{name: f"column{CALL_CELLS.index(name) + 1}" for name in ANSWER_COLUMNS},
}

# A call that began and was never sent is taken back: the row is what it was, or is no more.
TAKE_BACK = (
    "DELETE FROM calls WHERE key = ? AND state = 'in_flight' AND before IS NULL",
    "UPDATE calls SET state = before, before = NULL, attempts = attempts - 1,"
    " unanswered = unanswered - (before = 'in_flight'),"
    " unanswered_usd = unanswered_usd - iif(before = 'in_flight', at_risk_usd, 0),"
    " at_risk_usd = iif(before = 'in_flight', at_risk_usd, 0) WHERE key = ? AND state = 'in_flight'",
)

RECOVER = """
UPDATE calls SET state = 'unknown', unanswered = unanswered + 1, unanswered_usd = unanswered_usd + at_risk_usd,
    at_risk_usd = 0 WHERE state = 'in_flight'
"""
COUNT = "SELECT state, count(*) FROM calls GROUP BY state"
# The calls without an answer of one request were asked with one body, so each cost the same at most.
TOTALS = f"""
SELECT coalesce(sum(attempts), 0), total(spent_usd), coalesce(sum(unanswered), 0), total(unanswered_usd),
    coalesce(sum(twice), 0), total(iif(unanswered, unanswered_usd * twice / unanswered, 0)),
    total(at_risk_usd), coalesce(sum({_UNDER_WAY}), 0), coalesce(sum(unpriced), 0)
FROM (SELECT *, iif(state = 'done', unanswered, max(0, unanswered - 1)) AS twice FROM calls)
"""
RUNS = "SELECT id, begun_at, ended_at, description, summary FROM runs ORDER BY begun_at, id"
SAMPLES = "SELECT moment, figures FROM samples WHERE run = ? ORDER BY moment"
SENT_SINCE = "SELECT begun_at, coalesce(input_tokens, 0) + coalesce(output_tokens, 0) FROM calls WHERE begun_at > ?"
SET_META = "INSERT OR REPLACE INTO meta VALUES (?, ?)"
GET_META = "SELECT value FROM meta WHERE name = ?"
HAS_META = "SELECT 1 FROM sqlite_master WHERE name = 'meta'"
DROP_META = "DELETE FROM meta WHERE name = ?"

# What opening a journal reads of each row; by rowid, so from the table itself and not from an index.
CHECKED_COLUMNS = ("id", "key", "state", *ANSWER_COLUMNS)
CHECK = (
    f"SELECT {', '.join(CHECKED_COLUMNS)}, ledger_check IS ({_LEDGER})"
    " FROM calls NOT INDEXED WHERE id > ? ORDER BY id LIMIT ?"
)
INDEXED_KEYS = "SELECT key FROM calls INDEXED BY sqlite_autoindex_calls_1 ORDER BY key"
DISCARD = f"""
UPDATE calls SET state = 'failed', attempts = max(1, iif(typeof(attempts) = 'integer', attempts, 1)), error = :error,
    unpriced = 1, unanswered = 0, unanswered_usd = 0, at_risk_usd = 0, ended_at = :now, before = NULL,
    spent_usd = iif(:keep AND typeof(spent_usd) = 'real', spent_usd, 0),
    {", ".join(f"{name} = NULL" for name in ANSWER_COLUMNS)} WHERE id = :id
"""


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


# By rowid, and without the long columns.
OUTLINES = "SELECT id, key, state, item, latency_s, error FROM calls WHERE id > ? ORDER BY id LIMIT ?"
ROWS = "SELECT number, id, key, status FROM rows WHERE run = ? AND number > ? ORDER BY number LIMIT ?"


def prune(states: int) -> str:
    """Deletes the entries in one of so many states that ended (or, with no end seen, began) before a given time."""
    wanted = ", ".join("?" * states)
    return f"DELETE FROM calls WHERE state IN ({wanted}) AND coalesce(ended_at, begun_at, 0) <= ?"
