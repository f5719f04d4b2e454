"""workflow.py as a module; tests/unit/examples runs it as a command."""

import pytest

import kaizen_batch
from kaizen_batch.workflows import workflow


def test_it_exports_the_names_of_the_package() -> None:
    for name in workflow.__all__:
        assert getattr(workflow, name) is getattr(kaizen_batch, name)


async def test_it_processes_prompts_in_order_within_the_limit() -> None:
    results, seconds = await workflow.process(["a", "b", "c"], 2)
    assert [result["result"] for result in results] == [f"mock answer to: {text}" for text in "abc"]
    assert seconds >= workflow.LATENCY_S


async def test_the_comparison_has_a_line_for_each_limit(capsys: pytest.CaptureFixture[str]) -> None:
    await workflow.comparison()
    lines = capsys.readouterr().out.splitlines()[3:]
    assert [line.partition(":")[0] for line in lines] == [f"max_concurrent={limit:2d}" for limit in workflow.COMPARED]
