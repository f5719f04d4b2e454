"""What `run` says while it waits for batches of the provider, and when it leaves them."""

from kaizen_batch.commands.command import say
from kaizen_batch.events import BatchesWaiting, BatchStarted, Event
from kaizen_batch.results.texts.batches import batches_text, states_text
from kaizen_batch.results.texts.numbers import counted
from kaizen_batch.results.texts.summary import Line


class Waiting:
    """Follows the events of a run; `is_open` while only batches are under way."""

    def __init__(self) -> None:
        self._last: BatchesWaiting | None = None

    @property
    def is_open(self) -> bool:
        """Whether the run waits for batches alone."""
        return self._last is not None and self._last.open > 0

    def see(self, event: Event) -> None:
        """An event of the run; what has changed about its batches is said."""
        if isinstance(event, BatchStarted):
            self._last = None
        elif isinstance(event, BatchesWaiting) and event != self._last:
            if self._last is None and event.open:
                say("waiting   for batches of the provider; Ctrl-C leaves them running")
            self._last = event
            if event.open:
                say(f"batches   {states_text(event.states, event.rows, event.done)}")

    def lines(self) -> list[Line]:
        """What is left behind."""
        assert self._last is not None
        return [waiting_line(self._last.rows, self._last.open)]


def waiting_line(rows: int, batches: int | None = None) -> Line:
    """The rows that wait."""
    where = "batches" if batches is None else batches_text(batches)
    return Line("waiting", f"{counted(rows, 'row')} in {where} of the provider, which go on without this command")
