"""Strategies: how many items become calls."""

from kaizen_batch.strategies.parallel import ParallelBatchStrategy
from kaizen_batch.strategies.run import BatchRun

__all__ = ["BatchRun", "ParallelBatchStrategy"]
