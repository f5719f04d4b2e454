"""Progress of a run: a bar in a terminal or a notebook, lines elsewhere."""

from kaizen_batch.observers.progress.sink import ProgressSink, progress_sink

__all__ = ["ProgressSink", "progress_sink"]
