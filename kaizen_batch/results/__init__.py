"""What comes out of a run: one result for each item, the summary, and how people and files read them.

`values`, `columns` and `arrow` give values as text, as JSON and as Arrow arrays, whichever file or frame they are for.
`view` and `texts` are the words for people: numbers, summaries, advice, and what may be printed on a terminal.
"""

from kaizen_batch.results.batch import BatchResult, BatchSummary
from kaizen_batch.results.envelope import (
    ENVELOPE,
    MODEL_ENVELOPE,
    REASONING,
    Envelope,
    ErrorDict,
    ModelEnvelope,
    Outputs,
    Result,
    outputs_of,
)
from kaizen_batch.results.item import NOT_ATTEMPTED, ItemError, ItemResult

__all__ = [
    "ENVELOPE",
    "MODEL_ENVELOPE",
    "NOT_ATTEMPTED",
    "REASONING",
    "BatchResult",
    "BatchSummary",
    "Envelope",
    "ErrorDict",
    "ItemError",
    "ItemResult",
    "ModelEnvelope",
    "Outputs",
    "Result",
    "outputs_of",
]
