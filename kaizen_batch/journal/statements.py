"""Every statement that reads or writes the tables, and the kinds of operation that the writer queues.

An upsert for each of the three things that happen to a call, for as many rows as a group has. Each statement gives up
the interpreter several times, and each time must win it back from a busy loop, so a group takes as few as possible.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from kaizen_batch.journal.schema import ANSWER_COLUMNS, ENTRY_COLUMNS, LEDGER_SUM

# Kinds of operation: on one call, on a row of the input, on media, and on the run itself.
# The cells of one on a call are those of CALL_COLUMNS, then those that `beside` takes after the id.
LOOK_UP, BEGIN, DONE, ANSWERED, ENDED, UNSENT, ROW, MEDIA, RUN_BEGUN, RUN_SAMPLED, RUN_ENDED, RUN_LISTED = range(12)
FACT, REJECTED, BATCH_SAVED, BATCH_FREED, BATCH_DOUBTED = range(12, 17)

_UNDER_WAY = "state IN ('in_flight', 'submitted')"
# The call began and its end was never recorded.
_KILLED = "state = 'unknown' AND coalesce(ended_at, 0) < begun_at"
_NEW_DOUBT = "excluded.state = 'unknown'"
_ADDED = {
    "spent_usd": "spent_usd + excluded.spent_usd",
    "unpriced": "unpriced + excluded.unpriced",
    "at_risk_usd": "0",
}
# A late end takes nothing away from an answer.
_LATE = {
    "ended_at": "iif(state = 'done', ended_at, excluded.ended_at)",
    "error": "iif(state = 'done', error, excluded.error)",
}


class _Many(NamedTuple):
    """A statement for any number of rows: what comes before them, one row, and what comes after."""

    before: str
    row: str
    after: str


def _into(table: str, columns: Sequence[str], after: str, how: str = "INSERT") -> _Many:
    row = f"({', '.join('?' * len(columns))})"
    return _Many(f"{how} INTO {table} ({', '.join(columns)}) VALUES ", row, after)


def _upsert(columns: Sequence[str], changes: Mapping[str, str]) -> _Many:
    setting = ", ".join(f"{name} = {value}" for name, value in changes.items())
    # Two keys under one id do not happen while 64 bits tell keys apart; if they did, the later would not be kept.
    return _into("calls", columns, f" ON CONFLICT (id) DO UPDATE SET {setting} WHERE calls.key = excluded.key")


CALL_COLUMNS: dict[int, tuple[str, ...]] = {
    BEGIN: ("id", "key", "state", "begun_at", "item", "at_risk_usd", "via", "batch"),
    DONE: ("id", "key", "state", "ended_at", "spent_usd", "unpriced", "via"),
    ANSWERED: ("id", "key", "state", "ended_at", "error", "spent_usd", "unpriced"),
    ENDED: ("id", "key", "state", "ended_at", "error", "spent_usd", "unpriced", "unanswered"),
}
_UPSERTS = {
    # On a row under way (a hedge) the earlier call counts as unanswered from here on, so that the bound on what was
    # paid holds whichever of the two answers.
    BEGIN: _upsert(
        CALL_COLUMNS[BEGIN],
        {
            "state": "excluded.state",
            "before": "state",
            "attempts": "attempts + 1",
            "begun_at": "excluded.begun_at",
            "unanswered": f"unanswered + ({_UNDER_WAY})",
            "unanswered_usd": "unanswered_usd + at_risk_usd",
            "at_risk_usd": "excluded.at_risk_usd",
            "via": "excluded.via",
            "batch": "excluded.batch",
        },
    ),
    DONE: _upsert(
        CALL_COLUMNS[DONE],
        {"state": "'done'", "ended_at": "excluded.ended_at", "error": "NULL", "via": "excluded.via", **_ADDED},
    ),
    ANSWERED: _upsert(
        CALL_COLUMNS[ANSWERED], {"state": "iif(state = 'done', state, excluded.state)", **_LATE, **_ADDED}
    ),
    # An error takes no doubt away from a call that may have been billed.
    ENDED: _upsert(
        CALL_COLUMNS[ENDED],
        {
            "state": "iif(state IN ('done', 'unknown'), state, excluded.state)",
            "ended_at": "excluded.ended_at",
            "error": _LATE["error"],
            **_ADDED,
            "unanswered": f"unanswered + ({_UNDER_WAY} AND {_NEW_DOUBT})",
            "unanswered_usd": f"unanswered_usd + iif({_NEW_DOUBT}, at_risk_usd, 0)",
        },
    ),
}
_ANSWER = ("id", *ANSWER_COLUMNS)
_BESIDE = {
    BEGIN: _into("requests", ("id", "request"), "", "INSERT OR IGNORE"),
    DONE: _into("answers", _ANSWER, "", "INSERT OR REPLACE"),
    ANSWERED: _into(
        "answers",
        _ANSWER,
        " ON CONFLICT (id) DO UPDATE SET "
        + ", ".join(f"{name} = excluded.{name}" for name in ANSWER_COLUMNS)
        + " WHERE (SELECT state FROM calls WHERE calls.id = answers.id) <> 'done'",
    ),
}
ON_CALLS = tuple(_UPSERTS)
_ROW = _into("rows", ("run", "number", "id", "key", "status", "row_check"), "", "INSERT OR REPLACE")


@lru_cache(maxsize=256)
def on_calls(kind: int, rows: int) -> str:
    """The statement that keeps the ledger for so many operations of a kind; its cells are CALL_COLUMNS of each."""
    return _for_rows(_UPSERTS[kind], rows)


@lru_cache(maxsize=256)
def beside(kind: int, rows: int) -> str | None:
    """The one that keeps their texts: the id and the request, or the id and the answer; None if there are none."""
    return _for_rows(_BESIDE[kind], rows) if kind in _BESIDE else None


@lru_cache(maxsize=256)
def set_rows(rows: int) -> str:
    """The statement that lists so many rows of the input; its cells are those of each."""
    return _for_rows(_ROW, rows)


def _for_rows(many: _Many, rows: int) -> str:
    return f"{many.before}{', '.join([many.row] * rows)}{many.after}"


SET_META = "INSERT OR REPLACE INTO meta VALUES (?, ?)"
ON_RUN = {
    FACT: SET_META,
    RUN_BEGUN: "INSERT INTO runs (id, begun_at, description, row_check) VALUES (?, ?, ?, ?)",
    RUN_SAMPLED: "INSERT INTO samples VALUES (?, ?, ?)",
    RUN_ENDED: "UPDATE runs SET ended_at = ?, summary = ?, row_check = ? WHERE id = ?",
    # A complete run of a job has listed every row again; lists of other runs that are under way are kept.
    RUN_LISTED: "DELETE FROM rows WHERE run <> ? AND run NOT IN (SELECT id FROM runs WHERE ended_at IS NULL"
    " AND begun_at >= (SELECT json_extract(value, '$.since') FROM meta WHERE name = 'owner'))",
}
SET_MEDIA = "INSERT OR IGNORE INTO media (sha256, size, type, name, bytes) VALUES (?, ?, ?, ?, ?)"

# A call that began and was never sent is taken back: the row is what it was, or is no more.
TAKE_BACK = (
    "DELETE FROM calls WHERE id = ? AND state = 'in_flight' AND before IS NULL",
    "UPDATE calls SET state = before, before = NULL, attempts = attempts - 1,"
    " unanswered = unanswered - (before = 'in_flight'),"
    " unanswered_usd = unanswered_usd - iif(before = 'in_flight', at_risk_usd, 0),"
    " at_risk_usd = iif(before = 'in_flight', at_risk_usd, 0) WHERE id = ? AND state = 'in_flight'",
)

BATCH = (
    *("id", "intent", "endpoint", "model", "state", "begun_at", "input_file", "remote_id", "rows", "at_risk_usd"),
    *("deadline_at", "expires_at", "counts", "error"),
)
"""The columns of a batch of a provider."""
BATCHES = f"SELECT {', '.join(BATCH)} FROM batches ORDER BY begun_at, id"
LEFT_IN_BATCH = "SELECT count(*), total(at_risk_usd) FROM calls WHERE batch = ? AND state = 'submitted'"

# What concerns batches of a provider: an answer cannot be used; a batch is saved as it is; its rows are what they were
# before; they may have been billed.
ON_BATCH: dict[int, tuple[str, ...]] = {
    REJECTED: ("UPDATE calls SET state = 'failed', ended_at = ?, error = ? WHERE id = ? AND state = 'done'",),
    BATCH_SAVED: (
        f"INSERT OR REPLACE INTO batches ({', '.join(BATCH)}, row_check) VALUES ({', '.join('?' * len(BATCH))}, ?)",
    ),
    BATCH_FREED: (
        "DELETE FROM calls WHERE batch = ? AND state = 'submitted' AND before IS NULL",
        "UPDATE calls SET state = before, before = NULL, attempts = attempts - 1, at_risk_usd = 0, batch = NULL"
        " WHERE batch = ? AND state = 'submitted'",
    ),
    BATCH_DOUBTED: (
        "UPDATE calls SET state = 'unknown', ended_at = ?, unanswered = unanswered + 1,"
        " unanswered_usd = unanswered_usd + at_risk_usd, at_risk_usd = 0 WHERE batch = ? AND state = 'submitted'",
    ),
}

RECOVER = """
UPDATE calls SET state = 'unknown', unanswered = unanswered + 1, unanswered_usd = unanswered_usd + at_risk_usd,
    at_risk_usd = 0 WHERE state = 'in_flight'
"""
# What is lost has no rows: see lost.py.
_LOST_CALLS = "(SELECT CAST(total(value) AS INTEGER) FROM meta WHERE name = 'lost calls')"
_LOST_USD = "(SELECT total(value) FROM meta WHERE name = 'lost usd')"
ADD_LOST = "INSERT INTO meta VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value"
DOUBTS = f"SELECT total(unanswered_usd) + {_LOST_USD} FROM calls"
RELEASE_DOUBTS = (
    "UPDATE calls SET unanswered_usd = 0 WHERE unanswered_usd <> 0",
    "DELETE FROM meta WHERE name = 'lost usd'",
)
COUNT = "SELECT state, count(*) FROM calls GROUP BY state"
MEAN_LATENCY = "SELECT avg(latency_s) FROM (SELECT latency_s FROM answers WHERE latency_s > 0 LIMIT 1000)"
# The calls without an answer of one request were asked with one body, so each cost the same at most.
TOTALS = f"""
SELECT coalesce(sum(attempts), 0) + {_LOST_CALLS}, total(spent_usd),
    coalesce(sum(unanswered), 0) + {_LOST_CALLS}, total(unanswered_usd) + {_LOST_USD},
    coalesce(sum(twice), 0) + {_LOST_CALLS},
    total(iif(unanswered, unanswered_usd * twice / unanswered, 0)) + {_LOST_USD},
    total(at_risk_usd), coalesce(sum({_UNDER_WAY}), 0), coalesce(sum(unpriced), 0), coalesce(sum({_KILLED}), 0)
FROM (SELECT *, iif(state = 'done', unanswered, max(0, unanswered - 1)) AS twice FROM calls)
"""
RUNS = "SELECT id, begun_at, ended_at, description, summary, row_check FROM runs ORDER BY begun_at, id"
SAMPLES = "SELECT moment, figures FROM samples WHERE run = ? ORDER BY moment"
# A call counts at its end, since the endpoint counted it before that; one without an end may have been sent just now.
# Its row begins before the call is sent, which may be much later: it may have been sent at any moment up to the last
# sign of life of its run. Those are its samples, half a second apart, or a thousandth of its time.
SENT_SINCE = """
WITH alive AS (
    SELECT begun_at, max(begun_at, coalesce(ended_at, 0), coalesce(
        (SELECT max(moment) FROM samples WHERE run = runs.id), 0)) AS seen_at FROM runs
), alive_since AS (
    SELECT coalesce(min(begun_at), 9e999) AS began FROM alive WHERE seen_at + 1 + (seen_at - begun_at) / 500 > :moment
)
SELECT iif(ended_at >= begun_at, ended_at, :now) AS counted_at, input_tokens + output_tokens,
    state IN ('in_flight', 'unknown')
FROM calls LEFT JOIN answers ON answers.id = calls.id WHERE begun_at > :moment OR ended_at > :moment
    OR (begun_at >= (SELECT began FROM alive_since) AND coalesce(ended_at, 0) < begun_at)
ORDER BY counted_at
"""
# What one call may take: as many tokens as any of the last answers took; without one, the bytes of the longest request
# and the most that it allowed for its answer.
LARGEST = """
SELECT coalesce(
    (SELECT max(tokens) FROM (SELECT input_tokens + output_tokens AS tokens FROM answers ORDER BY id DESC LIMIT 10000)),
    (SELECT max(length(request) + coalesce(
        json_extract(request, '$.max_completion_tokens'), json_extract(request, '$.max_tokens'), 0))
    FROM (SELECT request FROM requests ORDER BY id DESC LIMIT 10000) WHERE json_valid(request)), 0)
"""
GET_META = "SELECT value FROM meta WHERE name = ?"
HAS_META = "SELECT 1 FROM sqlite_master WHERE name = 'meta'"
DROP_META = "DELETE FROM meta WHERE name = ?"

# What opening a journal reads of each row.
CHECK = f"""
SELECT calls.id, key, state, {", ".join(ANSWER_COLUMNS)}, ledger_check IS ({LEDGER_SUM})
FROM calls LEFT JOIN answers ON answers.id = calls.id WHERE calls.id > ? ORDER BY calls.id LIMIT ?
"""
DISCARD = """
UPDATE calls SET state = 'failed', attempts = max(1, iif(typeof(attempts) = 'integer', attempts, 1)), error = :error,
    unpriced = 1, unanswered = 0, unanswered_usd = 0, at_risk_usd = 0, ended_at = :now, before = NULL,
    spent_usd = iif(:keep AND typeof(spent_usd) = 'real', spent_usd, 0) WHERE id = :id
"""
DISCARD_ANSWER = "DELETE FROM answers WHERE id = ?"
CHECKED_BATCHES = f"SELECT {', '.join(BATCH)}, row_check FROM batches"
# A batch whose row is damaged cannot be collected: its requests may have been billed.
DISCARD_BATCH = (
    "UPDATE batches SET state = 'dropped', counts = NULL, error = :error, row_check = NULL WHERE id = :id",
    "UPDATE calls SET state = 'unknown', unanswered = unanswered + 1, unanswered_usd = unanswered_usd + at_risk_usd,"
    " at_risk_usd = 0, ended_at = :now, error = :error"
    " WHERE state = 'submitted' AND (batch = :id OR batch NOT IN (SELECT id FROM batches))",
)
ORPHANS = (
    "DELETE FROM requests WHERE id NOT IN (SELECT id FROM calls)",
    "DELETE FROM answers WHERE id NOT IN (SELECT id FROM calls)",
)

_ENTRY = ", ".join(ENTRY_COLUMNS)


@lru_cache
def look_up(rows: int) -> str:
    """The statement that reads the entries of so many ids."""
    return f"SELECT {_ENTRY} FROM entries WHERE id IN ({', '.join('?' * rows)})"


def find(rows: int) -> str:
    """The statement that reads the entries of so many keys, by reading all keys."""
    return f"SELECT {_ENTRY} FROM entries WHERE key IN ({', '.join('?' * rows)})"


def page(states: int) -> str:
    """One page of entries in order of item, after a given place, in one of so many states."""
    wanted = ", ".join("?" * states)
    return (
        f"SELECT id, {_ENTRY} FROM entries WHERE (item, id) > (?, ?) AND state IN ({wanted}) ORDER BY item, id LIMIT ?"
    )


OUTLINES = """
SELECT calls.id, key, state, item, iif(via = 'batch', NULL, latency_s), error
FROM calls LEFT JOIN answers ON answers.id = calls.id WHERE calls.id > ? ORDER BY calls.id LIMIT ?
"""
ROWS = """
SELECT run, number, id, key, status, row_check FROM rows WHERE run = ? AND number > ? ORDER BY number LIMIT ?
"""


def prune(states: int) -> str:
    """Deletes the entries in one of so many states that ended (or, with no end seen, began) before a given time."""
    wanted = ", ".join("?" * states)
    return f"DELETE FROM calls WHERE state IN ({wanted}) AND coalesce(ended_at, begun_at, 0) <= ?"
