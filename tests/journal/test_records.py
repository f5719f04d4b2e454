"""Rows of the journal: answers survive their columns, damage is noticed, and entries are JSON."""

import json

from hypothesis import given
from hypothesis import strategies as st

from kaizen_batch import Usage
from kaizen_batch.journal import StoredAnswer
from kaizen_batch.journal.checksums import as_bytes, is_intact
from kaizen_batch.journal.records import answer_columns, entry_of, error_column
from kaizen_batch.results import ItemError

KEY = b"k" * 32
TEXTS = st.none() | st.text(st.characters())
COUNTS = st.integers(0, 2**63 - 1)
ANSWERS = st.builds(
    StoredAnswer,
    text=TEXTS,
    finish_reason=TEXTS,
    refusal=TEXTS,
    model=TEXTS,
    value=st.none() | st.dictionaries(st.text(), st.integers() | st.text()),
    usage=st.none() | st.builds(Usage, COUNTS, COUNTS, COUNTS),
    latency_s=st.floats(0, 1e6),
    reasoning=TEXTS,
)
HEAD = ("done", 3, '{"model": "m"}', 2, 1.0, 2.0, None, 0.5, 0, 1, 0.25, 0.0, "live", None)


@given(ANSWERS)
def test_an_answer_survives_its_columns(answer: StoredAnswer) -> None:
    entry = entry_of((KEY, *HEAD, *map(as_bytes, answer_columns(KEY, answer))))
    assert entry.answer == answer
    assert (entry.state, entry.item, entry.spent_usd, entry.unanswered) == ("done", 3, 0.5, 1)


@given(ANSWERS, st.text(min_size=1))
def test_a_changed_text_is_damage(answer: StoredAnswer, more: str) -> None:
    cells = list(answer_columns(KEY, answer))
    assert is_intact(KEY, cells)
    cells[0] = f"{cells[0]}{more}"
    assert not is_intact(KEY, cells)
    damaged = entry_of((KEY, *HEAD, *map(as_bytes, cells)))
    assert (damaged.state, damaged.answer) == ("failed", None)
    assert damaged.error is not None


def test_an_answer_of_another_request_is_damage() -> None:
    assert not is_intact(b"x" * 32, answer_columns(KEY, StoredAnswer(text="yes")))


def test_an_entry_is_json_with_its_key_in_hex() -> None:
    entry = entry_of((KEY, *HEAD, *answer_columns(KEY, StoredAnswer(text="yes", usage=Usage(1, 2)))))
    row = json.loads(json.dumps(entry.to_dict()))
    assert (row["key"], row["text"], row["request"]) == (KEY.hex(), "yes", {"model": "m"})


def test_an_error_survives_its_column() -> None:
    error = ItemError("ServerError", "why", "server_error", True)
    row = (KEY, *HEAD[:6], error_column(error), *HEAD[7:], *answer_columns(KEY, StoredAnswer()))
    assert entry_of(row).error == error
