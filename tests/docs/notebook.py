"""docs/notebook.ipynb: its cells, and how they are run in IPython, inside a running loop as a notebook has one.

`python -m tests.docs.notebook` writes it anew.
"""

import asyncio
import json
import os
import re
import tempfile
from pathlib import Path
from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

PAGE = Path(__file__).resolve().parents[2] / "docs" / "notebook.ipynb"

CELLS = [
    (
        "markdown",
        "# kaizen-batch in a notebook\n\n`agent.map` is the synchronous call: the same line works in a script and in a "
        "cell. This notebook uses the mock provider, so it needs no key.",
    ),
    (
        "code",
        "from kaizen_batch import BatchProcessorAgent\n\n"
        'agent = BatchProcessorAgent(llm_provider="mock", max_concurrent=10, journal="notebook.db")\n'
        'rows = [{"id": number, "text": f"ticket {number}"} for number in range(200)]',
    ),
    (
        "markdown",
        "`progress=True` shows the progress below the cell. The result shows its summary and a few rows.",
    ),
    ("code", 'result = agent.map(rows, "Classify: {text}", progress=True)\nresult'),
    ("markdown", "The results are dicts, in the order of the rows:"),
    ("code", 'result.results[7]["result"], len(result.ok), result.summary.calls'),
    ("markdown", "Run the cell again: with the journal no answer is asked or paid for twice."),
    ("code", 'again = agent.map(rows, "Classify: {text}")\nagain.summary.calls, again.summary.from_journal'),
    ("markdown", "Inside a coroutine, or with `await` in a cell, there is the asynchronous call:"),
    ("code", 'single = await agent.run_batch(["Say ok."])\nsingle.results[0]["status"]'),
]


async def executed() -> list[dict[str, Any]]:
    """The cells of the notebook, with what they show."""
    shell = InteractiveShell.instance()
    try:
        return [await _cell(shell, number, kind, text) for number, (kind, text) in enumerate(CELLS)]
    finally:
        shell.history_manager.end_session()
        InteractiveShell.clear_instance()


async def _cell(shell: InteractiveShell, number: int, kind: str, text: str) -> dict[str, Any]:
    cell = {"cell_type": kind, "id": f"cell-{number}", "metadata": {}, "source": text.splitlines(keepends=True)}
    if kind == "markdown":
        return cell
    with capture_output() as captured:
        done = await shell.run_cell_async(text, store_history=True, transformed_cell=shell.transform_cell(text))
    done.raise_error()
    return {**cell, "execution_count": done.execution_count, "outputs": _outputs(shell, captured, done)}


def _outputs(shell: InteractiveShell, captured: Any, done: Any) -> list[dict[str, Any]]:
    shown: list[dict[str, Any]] = []
    for name in ("stdout", "stderr"):
        if text := getattr(captured, name):
            lines = [line for line in text.splitlines(keepends=True) if not line.startswith("Out[")]
            shown.append({"output_type": "stream", "name": name, "text": lines})
    if done.result is not None:
        data, metadata = shell.display_formatter.format(done.result)
        kept = {kind: text.splitlines(keepends=True) for kind, text in data.items()}
        shown = [each for each in shown if each["name"] == "stderr"]
        count = done.execution_count
        shown.append({"output_type": "execute_result", "data": kept, "metadata": metadata, "execution_count": count})
    return shown


def notebook() -> dict[str, Any]:
    """The notebook as it should be; its journal is made in a folder that is thrown away."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            cells = asyncio.run(executed())
        finally:
            os.chdir(before)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


def masked(page: dict[str, Any]) -> str:
    """The notebook without the numbers that differ from run to run."""
    text = json.dumps(page["cells"], indent=1)
    return re.sub(r"\d[\d,.]*( ms| s|/s)", "N", re.sub(r" \([\d.,]+/s\)", "", text))


if __name__ == "__main__":
    PAGE.write_text(json.dumps(notebook(), indent=1) + "\n", encoding="utf-8")
