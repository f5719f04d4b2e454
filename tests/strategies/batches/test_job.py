"""A batch run watches nothing unless it is told to."""

from kaizen_batch.strategies.batches.job import Filled, ignore


def test_the_default_watch_ignores() -> None:
    assert ignore([]) is None
    assert Filled(3, 1.0).waiting == 3
