"""The arms whose instructions are counted; valgrind itself takes minutes, and is run by hand."""

import pytest

from benchmarks import instructions


@pytest.mark.parametrize("name", [name for name in instructions.ARMS if not name.startswith("http")])
async def test_an_arm_does_its_items(name: str) -> None:
    await instructions.ARMS[name](20, "-")
