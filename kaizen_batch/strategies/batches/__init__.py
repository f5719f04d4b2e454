"""Batches of a provider: requests are submitted, awaited and collected into a journal, which a run then replays."""

from kaizen_batch.strategies.batches.job import Input
from kaizen_batch.strategies.batches.modes import ModeRun, Resolved
from kaizen_batch.strategies.batches.requests import numbered

__all__ = ["Input", "ModeRun", "Resolved", "numbered"]
