"""States of runs, and items in them, for the tests of single parts of the engine."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kaizen_batch import Event, RunConfig
from kaizen_batch.engine.item import Item
from kaizen_batch.engine.run_state import RunPlan, RunState
from kaizen_batch.engine.source import Source
from tests.engine.spies import model_agent


def run_state(agent: Any = None, *, events: list[Event] | None = None, **options: Any) -> RunState:
    """The state of a run of an agent (default: a model agent over the mock) over one item."""
    sinks = (events.append,) if events is not None else ()
    return RunState(RunPlan(agent or model_agent(), RunConfig(**options), Source(["an item"]), sinks))


def item_of(run: RunState, inputs: Any = "an item") -> Item:
    """An item of the run, as a worker makes it."""

    @contextmanager
    def release_slot() -> Iterator[None]:
        yield

    return Item(0, inputs, release_slot, run.upstreams[0])
