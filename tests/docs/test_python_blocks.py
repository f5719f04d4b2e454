"""Every Python block of the documentation runs, and prints what it claims."""

import multiprocessing
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest

from tests.docs.pages import Block, blocks, run

LANGUAGES = {"python", "bash", "json", "toml", "text"}


@pytest.fixture(scope="session")
def fork_server() -> ForkServerContext:
    """A fork server with the heavy imports preloaded; otherwise each block would take two seconds more."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["kaizen_batch.nodes", "kailash.nodes.data", "kaizen_batch.simulator", "openai"])
    return context


@pytest.mark.parametrize("block", blocks("python"), ids=str)
def test_a_block_runs_and_prints_what_it_claims(block: Block, fork_server: ForkServerContext, tmp_path: Path) -> None:
    script = tmp_path / "block.py"
    script.write_text(block.text, encoding="utf-8")
    process = fork_server.Process(target=run, args=(script,))
    process.start()
    process.join(60)
    code = process.exitcode
    process.kill()
    assert code == 0, (tmp_path / "stderr").read_text()
    assert block.output, "a block must print something"
    assert (tmp_path / "stdout").read_text().splitlines() == block.output


def test_every_block_names_its_language() -> None:
    assert {str(block) for block in blocks() if block.language not in LANGUAGES} == set()
