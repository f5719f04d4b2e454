"""Before a run: a warning where the journal's answers are of no use to it, with the reason."""

from pathlib import Path

import pytest

from kaizen_batch.simulator import Simulator
from tests.commands.conftest import RUN, Cli

OTHER = ("run", "tickets.csv", "--prompt", "Sort: {text}", "--output", "labels.csv")


def warnings(cli: Cli, *arguments: str) -> list[str]:
    """The warnings of a run that succeeds."""
    result = cli(*arguments)
    assert result.exit_code == 0, result.output
    return [line for line in result.stderr.splitlines() if "can use 0 of" in line]


@pytest.mark.usefixtures("tickets", "simulator")
def test_a_changed_prompt_model_or_parameter_is_named_before_the_first_call(cli: Cli) -> None:
    assert warnings(cli, *RUN) == warnings(cli, *RUN) == []
    [changed] = warnings(cli, *OTHER)
    assert changed.startswith(
        "warning   the prompt or the input changed since the last run: 20 rows can use 0 of the 20"
    )
    assert warnings(cli, *OTHER) == warnings(cli, *RUN) == []  # both are in the journal now
    [model] = warnings(cli, *RUN, "--model", "other")
    assert "the model changed since the last run" in model and "0 of the 40 answers" in model
    [parameter] = warnings(cli, *RUN, "--temperature", "1")
    assert "temperature changed since the last run" in parameter or "the model changed" in parameter


def test_another_endpoint_is_named_with_the_option_that_uses_its_answers(
    cli: Cli, tickets: Path, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert warnings(cli, *RUN) == []
    with Simulator() as other:
        monkeypatch.setenv("OPENAI_BASE_URL", other.base_url)
        before = other.ledger.calls
        assert warnings(cli, *RUN, "--endpoint-name", simulator.base_url) == []
        assert other.ledger.calls == before
        [line] = warnings(cli, *RUN)
    assert f"the journal's answers are from {simulator.base_url}, and this is {other.base_url}" in line
    assert f"(to use them: --endpoint-name {simulator.base_url})" in line


@pytest.mark.usefixtures("simulator")
def test_a_row_that_was_answered_is_enough(cli: Cli, folder: Path) -> None:
    (folder / "tickets.csv").write_text("id,text\n1,a\n2,b\n", encoding="utf-8")
    assert warnings(cli, *RUN) == []
    (folder / "tickets.csv").write_text("id,text\n3,c\n4,d\n2,b\n", encoding="utf-8")
    assert warnings(cli, *RUN) == []
    (folder / "tickets.csv").write_text("id,text\n8,x\n9,y\n9,z\n", encoding="utf-8")
    [line] = warnings(cli, *RUN)
    assert "the prompt or the input changed" in line and "3 rows can use 0 of the 4 answers" in line
