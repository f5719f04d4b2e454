"""Names of items and rows, as people see them."""

import pytest

from kaizen_batch.results.texts.names import item_name


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ((0,), "item 0"),
        ((1592,), "item 1,592"),
        ((1592, "row"), "row 1,593"),
        ((3, "row", "T-17"), "row T-17"),
        ((3, "row", ""), "row "),
        ((3, "row", "a\x1b[2J\nb"), r"row a\u001b[2J\nb"),
    ],
)
def test_a_row_has_its_name_or_counts_from_one_and_an_item_has_its_index(given: tuple[int, ...], name: str) -> None:
    assert item_name(*given) == name  # type: ignore[arg-type]


def test_a_long_name_is_shortened() -> None:
    assert len(item_name(0, "row", "x" * 500)) < 100
