"""The journal: the file that knows what was asked, answered and paid."""

from kaizen_batch.journal.journal import Journal
from kaizen_batch.journal.records import STATES, Answer, Entry, Outline, Run, State, Totals
from kaizen_batch.journal.writer import JournalWriter

__all__ = ["STATES", "Answer", "Entry", "Journal", "JournalWriter", "Outline", "Run", "State", "Totals"]
