"""Whether a refused key, model or parameter concerns the whole run, or one item only.

Servers answer 401, 403 and 404 for a wrong setup, but also for a single prompt: a moderation, a firewall, a route that
one request took. So it depends on whether the setup has worked in this run:

- before the first success, one 401 (or a host name that does not exist), or a 403 or 404 for three different items,
  ends the run, and so does a parameter that the model refuses to three different items;
- after the first success, it fails its item, and 20 in a row end the run.

An endpoint to which no connection could ever be opened is most likely not there. Its calls are repeated once a second,
without counting against their items, and after some seconds the run ends.
"""

from kaizen_batch.errors import (
    AuthenticationError,
    KaizenBatchError,
    ModelNotFoundError,
    NoAnswerError,
    UnsupportedParameterError,
)

_ITEMS_AT_FIRST = 3
_IN_A_ROW_LATER = 20


class SetupFaults:
    """Judges the refusals of one endpoint in one run; set `works` and clear `in_a_row` with each answer.

    `unreachable_since` is when the first call was sent that found no connection, on the loop's clock, as long as none
    was ever opened; else None.
    """

    __slots__ = ("_items", "_reached", "in_a_row", "last", "unreachable_since", "works")

    def __init__(self) -> None:
        self.works: bool = False
        self.in_a_row: int = 0
        self._items: set[int] = set()
        self._reached = False
        self.unreachable_since: float | None = None
        self.last: KaizenBatchError | None = None

    def connecting(self, error: KaizenBatchError, sent_at: float) -> bool:
        """Note the end of a call that was sent at this time; whether the endpoint has still never been reached."""
        if isinstance(error, NoAnswerError) and not error.connected and not self.works and not self._reached:
            self.last = error
            if self.unreachable_since is None:
                self.unreachable_since = sent_at
            return True
        self._reached, self.unreachable_since = True, None
        return False

    def judge(self, error: KaizenBatchError, index: int) -> None:
        """Set whether this error, the end of a call for the item, is fatal."""
        if isinstance(error, AuthenticationError | ModelNotFoundError) and error.status not in (None, 407):
            error.fatal = self._ends_run(index, of_one_item=error.status != 401)
        elif error.code == "unsupported_parameter" and not isinstance(error, UnsupportedParameterError):
            error.fatal = self._ends_run(index, of_one_item=True)
        elif isinstance(error, NoAnswerError) and error.code == "host_not_found":
            error.fatal = not self.works

    def _ends_run(self, index: int, *, of_one_item: bool) -> bool:
        if self.works:
            self.in_a_row += 1
            return self.in_a_row >= _IN_A_ROW_LATER
        self._items.add(index)
        return not of_one_item or len(self._items) >= _ITEMS_AT_FIRST
