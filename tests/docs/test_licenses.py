"""docs/licenses.md lists everything that is installed, and nothing has a license that binds who uses it."""

import re

import pytest

from tests.docs.licenses import ALLOWED, REFUSED, installed, license_of, listed, table

TABLE = table()


def families(text: str) -> set[str]:
    """MIT and MIT License are one; a later release may spell it the other way."""
    return {family.lower() for family in ALLOWED.findall(text)}


def test_the_page_lists_all_that_is_installed() -> None:
    assert len(TABLE) > 20 and "openai" in TABLE and "pyarrow" in TABLE
    page = listed()
    assert TABLE.keys() - page.keys() == set()
    # One of several licenses is enough: a release may name them all, or the one that it prefers.
    different = {name: (page[name], text) for name, text in TABLE.items() if not families(page[name]) & families(text)}
    assert different == {}


@pytest.mark.parametrize("name", TABLE)
def test_a_license_is_permissive(name: str) -> None:
    assert families(TABLE[name]) and not REFUSED.search(TABLE[name]), TABLE[name]


@pytest.mark.parametrize("text", ["GPL-3.0-only", "GNU General Public License v3 (GPLv3)", "AGPL-3.0", "SSPL-1.0"])
def test_others_are_refused(text: str) -> None:
    assert REFUSED.search(text)


@pytest.mark.parametrize(
    "text", ["LGPL-2.1-or-later", "MIT", "BSD-3-Clause", "Apache-2.0 OR MIT", "PSF-2.0", "MPL-2.0"]
)
def test_these_are_not(text: str) -> None:
    assert families(text) and not REFUSED.search(text)


def test_the_license_of_a_distribution_is_a_few_words() -> None:
    for name, dist in installed().items():
        assert re.fullmatch(r"[\w .,()/+-]{3,80}", license_of(dist)), name
