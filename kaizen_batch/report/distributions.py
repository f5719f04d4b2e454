"""How the answers are distributed, for each output column: the most frequent values, or a histogram of numbers.

Answers that are JSON objects have a column for each of their fields; any other answer is one text, of which the length
is shown if it is rarely twice the same.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from kaizen_batch.journal import StoredAnswer

VALUES, BINS = 8, 8
_COLUMNS = 20
_LONG = 60  # characters of a value


class Distribution(NamedTuple):
    """One column: labels with their counts, how many answers have it, and what is left out."""

    name: str
    bars: list[tuple[str, int]]
    answers: int
    note: str = ""


def distributions(answers: Iterable[StoredAnswer]) -> list[Distribution]:
    """The distribution of each column, in the order in which the columns first come."""
    columns: defaultdict[str, list[object]] = defaultdict(list)
    for answer in answers:
        for name, value in _fields_of(answer).items():
            if name in columns or len(columns) < _COLUMNS:
                columns[name].append(value)
    return [_distribution(name, values) for name, values in columns.items()]


def _fields_of(answer: StoredAnswer) -> dict[str, object]:
    value = answer.value
    if value is None and answer.text is not None:
        try:
            value = json.loads(answer.text)
        except ValueError:
            value = answer.text
    if isinstance(value, dict):
        return {str(name): each for name, each in value.items()}
    return {} if value is None else {"result": value}


def _distribution(name: str, values: Sequence[object]) -> Distribution:
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(numbers) == len(values) and len(set(numbers)) > VALUES:
        return Distribution(name, _histogram(numbers), len(values))
    counts = Counter(_label(value) for value in values)
    if len(counts) > max(VALUES, len(values) // 2):
        lengths = [len(_label(value)) for value in values]
        return Distribution(f"{name}: length", _histogram(lengths), len(values), "characters; nearly all are different")
    shown = counts.most_common(VALUES)
    rest = len(counts) - len(shown)
    return Distribution(name, shown, len(values), f"and {rest:,} other values" if rest else "")


def _label(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _histogram(numbers: Sequence[float]) -> list[tuple[str, int]]:
    low, high = min(numbers), max(numbers)
    if low == high:
        return [(_number(low), len(numbers))]
    whole = all(number == int(number) for number in numbers)
    width = -(-(high - low + 1) // BINS) if whole else (high - low) / BINS
    counts = [0] * (int((high - low) // width) + 1 if whole else BINS)
    for number in numbers:
        counts[min(len(counts) - 1, int((number - low) / width))] += 1
    return [(_range(low + width * n, width, whole=whole), number) for n, number in enumerate(counts)]


def _range(start: float, width: float, *, whole: bool) -> str:
    end = start + width - whole
    return _number(start) if start == end else f"{_number(start)} to {_number(end)}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 100 else f"{value:.3g}"
