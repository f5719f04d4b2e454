"""The table of docs/providers.md is that of the tests."""

from tests.interop.table import PAGE, renewed


def test_the_page_has_the_table_of_the_tests() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert renewed(text) == text, "run: python -m tests.interop.table"
