"""Batch files on the command line: in, out, and what is missing."""

import json
from pathlib import Path

from click.testing import CliRunner, Result

from kaizen_batch.commands.main import main
from kaizen_batch.simulator import Simulator
from kaizen_batch.simulator.settings import error_reply
from tests.files.test_openai_batch import line, write


def run(simulator: Simulator, *words: str) -> Result:
    environment = {"OPENAI_BASE_URL": simulator.base_url, "OPENAI_API_KEY": "any"}
    return CliRunner().invoke(main, list(words), env=environment)


def test_the_file_says_the_model_and_what_failed_is_exported_again(tmp_path: Path) -> None:
    lines = [line(f"row-{n}", f"prompt {n}", model="gpt-4.1-nano") for n in range(5)]
    source, out, missing = write(tmp_path / "requests.jsonl", lines), tmp_path / "out.jsonl", tmp_path / "missing.jsonl"
    words = ["run", str(source), "--input-format", "openai-batch", "--output", str(out), "--max-concurrent", "1"]
    words += ["--output-format", "openai-batch", "--progress", "none"]
    with Simulator() as simulator:
        simulator.reply_with(error_reply(400, "invalid_value", "the request is wrong"))
        done = run(simulator, *words)
        assert done.exit_code == 3, done.output
        assert {body["model"] for body in simulator.bodies} == {"gpt-4.1-nano"}  # type: ignore[index]
        exported = run(simulator, "export", str(out), "--format", "openai-batch", "--output", str(missing))
        assert exported.exit_code == 0, exported.output
        [found] = [json.loads(text) for text in missing.read_text().splitlines()]
        assert found["body"]["messages"] == lines[0]["body"]["messages"]
        again = run(
            simulator, "run", str(missing), "--input-format", "openai-batch", "--output", str(tmp_path / "b.csv")
        )
        assert again.exit_code == 0, again.output
    assert len(out.read_text().splitlines()) == 4
    assert "mock answer to: prompt 0" in (tmp_path / "b.csv").read_text()


def test_several_models_need_a_choice(tmp_path: Path) -> None:
    source = write(tmp_path / "requests.jsonl", [line("a"), line("b", model="gpt-4o")])
    words = ["run", str(source), "--input-format", "openai-batch", "--output", str(tmp_path / "out.jsonl")]
    with Simulator() as simulator:
        assert "--model for all" in run(simulator, *words).output
        done = run(simulator, *words, "--model", "gpt-4o-mini")
        assert done.exit_code == 0, done.output
        assert {body["model"] for body in simulator.bodies} == {"gpt-4o-mini"}  # type: ignore[index]
