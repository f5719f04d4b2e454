"""The progress bar of a notebook: one output per run, redrawn."""

import sys
from collections.abc import Iterator

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from kaizen_batch import (
    ConfigError,
    progress_sink,
)
from tests.observers.progress.events import finished, progress, started


@pytest.fixture
def shell() -> Iterator[InteractiveShell]:
    shell = InteractiveShell.instance()
    yield shell
    shell.history_manager.end_session()
    InteractiveShell.clear_instance()


def test_a_notebook_has_one_output_that_is_drawn_anew(shell: InteractiveShell) -> None:
    with capture_output() as captured, progress_sink("notebook") as sink:
        sink(started())
        sink(progress(420, 10.0, waiting_for="<b>"))
        sink(progress(430, 10.5))
        sink(finished())
    first, *others = captured.outputs
    assert 'value="42"' in first.data["text/html"] and "420/1,000" in first.data["text/html"]
    assert "<b>" not in first.data["text/html"]
    assert [output.update for output in others] == [True] * 3
    assert {output.transient["display_id"] for output in others} == {first.transient["display_id"]}
    assert "988 done" in captured.outputs[-1].data["text/html"]


def test_a_notebook_needs_ipython(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "IPython.display", None)
    with pytest.raises(ConfigError, match="needs IPython"):
        progress_sink("notebook")
