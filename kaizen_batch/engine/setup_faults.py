"""Whether a refused key, model or parameter concerns the whole run, or one item only.

Servers answer 401, 403 and 404 for a wrong setup, but also for a single prompt: a moderation, a firewall, a route that
one request took. So it depends on whether the setup has worked in this run:

- before the first success, one 401 (or a host name that does not exist), or a 403 or 404 for three different items,
  ends the run, and so does a parameter that the model refuses to three different items;
- after the first success, it fails its item, and 20 in a row end the run.
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
    """Judges the refusals of one endpoint in one run; set `works` and clear `in_a_row` with each answer."""

    __slots__ = ("_items", "in_a_row", "works")

    def __init__(self) -> None:
        self.works: bool = False
        self.in_a_row: int = 0
        self._items: set[int] = set()

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
