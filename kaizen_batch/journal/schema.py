"""The tables of the journal.

A row of `calls` is the ledger of one request; `requests` has its body and `answers` its last answer, under the same id.
The states of a request:

    (none) --begin--> in_flight --done--> done
                          |------failed--> failed      answered, or certainly not billed
                          |------torn----> unknown     perhaps billed, and no answer was seen
                          |------unsent--> what it was before, or (none)
    in_flight, when the process dies --> unknown; submitted (in a batch) stays submitted

Money is conserved: a call that began is in `at_risk_usd` until it ends; then its cost is in `spent_usd`, in
`unanswered_usd` (at most so much), or nowhere, if it certainly cost nothing.
"""

APPLICATION_ID = 0x4B5A424A  # "KZBJ", in the file's header: distinguishes a journal from any other SQLite file
FORMAT = 2

# A checksum of the numbers of a row, which SQLite keeps by itself; one of its answer is `answer_check`. `row_check` is
# that of a row of another table.
LEDGER_SUM = (
    "unicode(state) + 7 * length(state) + 31 * attempts + 1009 * unanswered + 10007 * unpriced"
    " + CAST(1e9 * spent_usd AS INTEGER) * 3 + CAST(1e9 * unanswered_usd AS INTEGER) * 5"
    " + CAST(1e9 * at_risk_usd AS INTEGER) * 11"
)

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

# There is no index of the keys: they are random, so each new one would dirty a page of its own, which was half of what
# a call cost. The writer reads all rows when it opens the file, and knows the keys from then on. What is short is apart
# from what is long, so that rows do not grow when they are answered, and sums are read without reading texts.
CREATE = f"""
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE calls (
    id INTEGER PRIMARY KEY,
    key BLOB NOT NULL,
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
    ledger_check INTEGER GENERATED ALWAYS AS ({LEDGER_SUM}) STORED,
    error TEXT
);
CREATE TABLE requests (id INTEGER PRIMARY KEY, request TEXT NOT NULL);
CREATE TABLE answers (
    id INTEGER PRIMARY KEY,
    {", ".join(ANSWER_COLUMNS)}
);
CREATE VIEW entries AS
    SELECT calls.*, coalesce(request, 'null') AS request, {", ".join(ANSWER_COLUMNS)}
    FROM calls LEFT JOIN requests ON requests.id = calls.id LEFT JOIN answers ON answers.id = calls.id;
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
    error TEXT,
    row_check INTEGER
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
    summary TEXT,
    row_check INTEGER
) WITHOUT ROWID;
CREATE TABLE samples (run BLOB NOT NULL, moment REAL NOT NULL, figures TEXT NOT NULL);
CREATE TABLE rows (
    run BLOB NOT NULL,
    number INTEGER NOT NULL,
    id TEXT,
    key BLOB,
    status TEXT NOT NULL,
    row_check INTEGER,
    PRIMARY KEY (run, number)
) WITHOUT ROWID;
CREATE INDEX samples_run ON samples (run, moment);
CREATE INDEX calls_item ON calls (item);
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {FORMAT};
"""

CHECKED_TABLES = ("runs", "rows", "batches")
"""Those with a `row_check`."""

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
NO_ANSWER = (None,) * len(ANSWER_COLUMNS)
