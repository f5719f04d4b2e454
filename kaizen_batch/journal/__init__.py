"""The journal: the file that knows what was asked, answered and paid."""

from kaizen_batch.journal.journal import Journal
from kaizen_batch.journal.records import STATES, Entry, Outline, Run, State, StoredAnswer, Totals
from kaizen_batch.journal.writer import JournalWriter

__all__ = ["STATES", "Entry", "Journal", "JournalWriter", "Outline", "Run", "State", "StoredAnswer", "Totals"]
