"""The journal: one SQLite file with what was asked, answered and paid."""

from kaizen_batch.journal.journal import Journal
from kaizen_batch.journal.records import STATES, Entry, InputRow, Outline, Run, State, StoredAnswer, Totals
from kaizen_batch.journal.writer import JournalWriter

__all__ = [
    "STATES",
    "Entry",
    "InputRow",
    "Journal",
    "JournalWriter",
    "Outline",
    "Run",
    "State",
    "StoredAnswer",
    "Totals",
]
