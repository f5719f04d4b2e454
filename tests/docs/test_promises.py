"""docs/guarantees.md and security.md name tests that exist, and the README promises nothing else."""

import re

import pytest

from tests.docs.pages import DOCS, README, ROOT

TABLE = (DOCS / "guarantees.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| (?!guarantee|promise)([^|-][^|]*) \| (.*) \|$", re.MULTILINE)
ROWS = ROW.findall(TABLE)
PROMISES = (DOCS / "security.md").read_text(encoding="utf-8").partition("## Promises\n")[2].partition("\n## ")[0]
SECTION = README.read_text(encoding="utf-8").partition("## Guarantees\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize(("guarantee", "proved_by"), [*ROWS, *ROW.findall(PROMISES)])
def test_a_guarantee_names_tests_that_exist(guarantee: str, proved_by: str) -> None:
    named = re.findall(r"(tests/[\w/]+\.py)::(\w+)", proved_by)
    assert named, guarantee
    for path, name in named:
        assert re.search(rf"^(async )?def {name}\(", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE), name
    for script in re.findall(r"`python (\S+)", proved_by):
        assert (ROOT / script).is_file()


def test_every_sentence_of_the_readme_is_a_row_of_the_page() -> None:
    bullets = [" ".join(bullet.split()) for bullet in re.findall(r"^- (.*(?:\n  .*)*)", SECTION, re.MULTILINE)]
    sentences = [sentence for bullet in bullets for sentence in re.split(r"(?<=\.) ", bullet)]
    assert len(sentences) > 12
    assert sorted(set(sentences) - {guarantee for guarantee, _ in ROWS}) == []
