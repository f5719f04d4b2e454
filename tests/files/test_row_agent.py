"""Rows on their way to an agent, and from files to an endpoint."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from kaizen_batch import BatchConfig, ConfigError, InputError
from kaizen_batch.agents import as_agent, create_agent, prepared
from kaizen_batch.commands.main import main
from kaizen_batch.errors import RecordError
from kaizen_batch.files.job_rows import check_agent
from kaizen_batch.files.row_agent import RowAgent
from kaizen_batch.files.rows import BrokenRow
from kaizen_batch.files.templates import PromptTemplate
from kaizen_batch.simulator import Simulator
from tests.signature.pictures import PDF, png

pytestmark = pytest.mark.enable_socket
AGENT = create_agent(BatchConfig(llm_provider="mock", fallbacks=("other",)))


def messages(template: PromptTemplate | None, row: Any) -> Any:
    return prepared(RowAgent(AGENT, template), row).messages


def test_a_template_makes_the_request_and_without_one_the_row_does() -> None:
    assert messages(PromptTemplate("Say {a}"), {"a": 1}) == [{"role": "user", "content": "Say 1"}]
    assert messages(None, {"prompt": "hi", "b": 2}) == [{"role": "user", "content": "hi"}]
    assert messages(None, {"messages": [{"role": "user", "content": "hi"}]}) == [{"role": "user", "content": "hi"}]


def test_a_broken_row_fails_with_its_own_error() -> None:
    error = RecordError("broken")
    with pytest.raises(RecordError, match="broken"):
        RowAgent(AGENT, None).prepare(BrokenRow({}, error))


def test_names_of_rows_and_fallbacks() -> None:
    agent = RowAgent(AGENT, PromptTemplate("{a}"), id="key")
    assert agent.row_name({"key": 5}) == "5" and agent.row_name({}) is None
    assert [type(fallback) for fallback in agent.fallbacks] == [RowAgent]


def test_a_function_gets_rows_and_no_conversations() -> None:
    async def work(text: str) -> str:
        return text

    with pytest.raises(ConfigError, match="need a model"):
        check_agent(PromptTemplate("{a}", system="{b}"), as_agent(work), ())


def run(server: Simulator, folder: Path, rows: list[dict[str, Any]], *more: str) -> list[Any]:
    source = folder / "in.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    out = str(folder / "out.jsonl")
    asked = ["run", str(source), "--output", out, "--base-url", server.base_url, "--max-concurrent", "1", *more]
    done = CliRunner().invoke(main, asked)
    assert done.exit_code in (0, 3), done.output
    return [body["messages"] for body in server.bodies]


def test_a_system_prompt_with_columns_is_filled_for_each_row(tmp_path: Path) -> None:
    rows = [{"text": "a", "role": "cook"}, {"text": "b", "role": "judge"}]
    with Simulator() as server:
        sent = run(server, tmp_path, rows, "--prompt", "{text}", "--system", "You are a {role}.")
    assert [each[0]["content"] for each in sent] == ["You are a cook.", "You are a judge."]


@pytest.mark.parametrize("more", [("--messages", "chat"), ("--messages", "chat", "--system", "Be kind.")])
def test_conversations_come_from_a_column(more: tuple[str, ...], tmp_path: Path) -> None:
    chat = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yes?"}]
    other = [*chat, {"role": "user", "content": "a"}]
    with Simulator() as server:
        sent = run(server, tmp_path, [{"chat": chat}, {"chat": json.dumps(other)}, {"chat": "x"}], *more)
    assert len(sent) == 2
    assert sent[0][-2:] == chat and sent[1][-3:] == other
    assert all((messages[0]["role"] == "system") is (len(more) == 4) for messages in sent)


def test_rows_with_messages_need_no_option(tmp_path: Path) -> None:
    chat = [{"role": "user", "content": "hi"}]
    with Simulator() as server:
        assert run(server, tmp_path, [{"messages": chat, "other": 1}]) == [chat]


def test_images_and_documents_come_from_columns(tmp_path: Path) -> None:
    (tmp_path / "cat.png").write_bytes(png())
    (tmp_path / "bill.pdf").write_bytes(PDF)
    row = {"text": "what?", "photo": str(tmp_path / "cat.png"), "bill": str(tmp_path / "bill.pdf")}
    more = ("--prompt", "{text}", "--image", "photo", "--file", "bill")
    with Simulator() as server:
        run(server, tmp_path, [row, {**row, "photo": "none.png"}], *more)
        entries = server.ledger.entries
    assert [(entry.images, entry.files) for entry in entries] == [(1, 1)]
    assert "cannot be read" in (tmp_path / "out.failed.jsonl").read_text()
    shown = CliRunner().invoke(main, ["run", str(tmp_path / "in.jsonl"), "--output", "x.jsonl", "--dry-run", *more])
    assert shown.exit_code == 0 and '"sha256"' in shown.output and "base64" not in shown.output


def test_an_estimate_counts_pixels_and_says_what_it_cannot_count(tmp_path: Path) -> None:
    (tmp_path / "cat.png").write_bytes(png(padding=100_000))
    (tmp_path / "bill.pdf").write_bytes(PDF)
    source = tmp_path / "in.jsonl"
    row = {"photo": str(tmp_path / "cat.png"), "bill": str(tmp_path / "bill.pdf"), "text": "a"}
    source.write_text(json.dumps(row))

    def estimate(*columns: str) -> dict[str, Any]:
        asked = ["estimate", str(source), "--prompt", "{text}", "--offline", "--json", *columns, "--model", "own"]
        done = CliRunner().invoke(main, [*asked, "--base-url", "http://127.0.0.1:1/v1"])
        return json.loads(done.stdout)  # type: ignore[no-any-return]

    counted = estimate("--image", "photo")
    assert counted["input_tokens"]["high"] < 2_000
    assert not any("cannot be estimated" in each for each in counted["warnings"])
    assert any("1 rows have documents" in each for each in estimate("--file", "bill")["warnings"])


def test_a_row_that_lacks_the_column_fails() -> None:
    with pytest.raises(InputError):
        RowAgent(AGENT, PromptTemplate("{a}")).prepare({"b": 1})
