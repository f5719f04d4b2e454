"""Rows that remember how the input stores them.

A job hands each row to the agent as a dict of the columns that the prompt uses, and writes all columns of it to the
output. The output gets them from where they are stored, so that no cell is changed by a detour through Python: a line
of JSON keeps the text of its numbers, an Arrow batch its types.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from sys import getsizeof
from typing import Any, Self

from kaizen_batch.errors import ConfigError, InputError, did_you_mean
from kaizen_batch.files.json_text import joined_members, members


@dataclass(frozen=True, slots=True)
class Selection:
    """Which columns of the input go to the output: those of `select` (None: all) but those of `drop`."""

    select: tuple[str, ...] | None = None
    drop: tuple[str, ...] = ()

    def keeps(self, name: str) -> bool:
        """Whether a column stays."""
        return (self.select is None or name in self.select) and name not in self.drop

    def of(self, names: Iterable[str]) -> tuple[str, ...]:
        """Those of the names that stay."""
        return tuple(name for name in names if self.keeps(name))

    def check(self, columns: Iterable[str]) -> None:
        """Raise ConfigError for a name that is not among the columns."""
        there = list(columns)
        for option, names in (("select", self.select or ()), ("drop", self.drop)):
            for name in names:
                if name not in there:
                    listed = ", ".join(map(repr, there[:20])) or "no columns"
                    raise ConfigError(f"{option} names {name!r}: {did_you_mean(name, there)}the rows have {listed}")


class Row(dict[str, Any]):
    """A row as the agent sees it; what most readers give.

    A job adds `number`, its place in the input from 1, and `skipped`, the rows before it that are not asked.
    """

    __slots__ = ("number", "skipped")

    number: int
    skipped: "Sequence[Row]"

    def cells(self) -> dict[str, object]:
        """All columns, as Python values."""
        return self

    def only(self, selection: Selection) -> "Row":
        """The row with the columns that stay."""
        return Row({name: value for name, value in self.cells().items() if selection.keeps(name)})


class JsonRow(Row):
    """A row of JSON; `text` is the object as the input spells it."""

    __slots__ = ("text",)

    def __init__(self, values: dict[str, object], text: str) -> None:
        super().__init__(values)
        self.text: str = text

    def only(self, selection: Selection) -> "JsonRow":
        """The row with the members that stay, spelled as they are."""
        kept = {name: value for name, value in self.items() if selection.keeps(name)}
        return JsonRow(kept, joined_members({name: text for name, text in members(self.text).items() if name in kept}))


class ArrowRow(Row):
    """A row of an Arrow batch: the dict has the columns that are used, the batch has all."""

    __slots__ = ("batch", "index")

    def __init__(self, values: Iterable[tuple[str, object]], batch: "ArrowBatch", index: int) -> None:
        super().__init__(values)
        self.batch: ArrowBatch = batch
        self.index: int = index

    @property
    def footprint(self) -> int:
        """Bytes of memory: of its own values, and its part of the batch."""
        data = self.batch.data
        share: int = data.nbytes // max(1, data.num_rows)
        return sum(map(getsizeof, self.values())) + share

    def __reduce__(self) -> tuple[object, ...]:
        """For pickle: the row with its own cells, and not with those of the whole batch."""
        place = {"number": self.number, "skipped": self.skipped}
        return _arrow_row, (list(self.items()), self.batch.row(self.index), place)

    def cells(self) -> dict[str, object]:
        """All columns, as Python values; the first row of a batch that is asked converts the batch."""
        return {name: values[self.index] for name, values in self.batch.values.items()}

    def only(self, selection: Selection) -> "ArrowRow":
        """The row with the columns that stay."""
        return ArrowRow(self.items(), self.batch.only(selection), self.index)


class BrokenRow(Row):
    """A row whose content cannot be read: it fails with this error, without a call."""

    __slots__ = ("error",)

    def __init__(self, values: dict[str, Any], error: InputError) -> None:
        super().__init__(values)
        self.error: InputError = error


class ArrowBatch:
    """A record batch, and its columns as Python values once someone needs them."""

    def __init__(self, batch: Any, *, shortest: bool = True) -> None:
        self.data = batch
        self._shortest = shortest
        self._narrowed: dict[Selection, Self] = {}

    @cached_property
    def values(self) -> dict[str, list[object]]:
        """All columns."""
        from kaizen_batch.results.arrow import to_python

        return {name: to_python(column, shortest=self._shortest) for name, column in self.columns()}

    def row(self, index: int) -> Self:
        """One row, as a batch of its own."""
        return type(self)(self.data.take([index]), shortest=self._shortest)  # a slice would refer to all

    def columns(self) -> Iterator[tuple[str, object]]:
        """The names and arrays."""
        return zip(self.data.schema.names, self.data.columns, strict=True)

    def only(self, selection: Selection) -> Self:
        """The batch with the columns that stay; one object for all rows of it."""
        found = self._narrowed.get(selection)
        if found is None:
            data = self.data.select(list(selection.of(self.data.schema.names)))
            found = self._narrowed[selection] = type(self)(data, shortest=self._shortest)
        return found


def _arrow_row(values: list[tuple[str, object]], batch: ArrowBatch, place: dict[str, Any]) -> ArrowRow:
    row = ArrowRow(values, batch, 0)
    row.number, row.skipped = place["number"], place["skipped"]
    return row
