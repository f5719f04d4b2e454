"""The README's table of promises: each test that it names is there."""

import re

import pytest

from tests.docs.pages import README, ROOT

SECTION = README.read_text(encoding="utf-8").partition("## What it promises")[2].partition("\n## ")[0]
ROWS = re.findall(r"^\| (?!promise)([^|-][^|]*) \| (.*) \|$", SECTION, re.MULTILINE)


@pytest.mark.parametrize(("promise", "shown_by"), ROWS)
def test_a_promise_names_tests_that_are_there(promise: str, shown_by: str) -> None:
    named = re.findall(r"(tests/[\w/]+\.py)::(\w+)", shown_by)
    assert named, promise
    for path, name in named:
        assert re.search(rf"^(async )?def {name}\(", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE), name
    for script in re.findall(r"`python (\S+)", shown_by):
        assert (ROOT / script).is_file()


def test_the_table_is_read() -> None:
    assert len(ROWS) > 12
