"""The lines of batch files: input lines are asked as they say, output lines name their answers."""

import json
from pathlib import Path
from typing import Any

import pytest

from kaizen_batch import BatchConfig, ConfigError, FileJob, run_job
from kaizen_batch.agents import create_agent
from kaizen_batch.errors import InputError
from kaizen_batch.files.openai_batch import RequestLines, body_of_line, input_line, model_of_lines, output_line
from kaizen_batch.simulator import Simulator


def line(name: str, prompt: str = "hello", **more: Any) -> dict[str, Any]:
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": prompt}], **more}
    return {"custom_id": name, "method": "POST", "url": "/v1/chat/completions", "body": body}


def write(path: Path, lines: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(each) + "\n" for each in lines))
    return path


@pytest.mark.parametrize("mode", ["live", "batch"])
async def test_a_batch_input_file_runs_in_any_mode_and_keeps_its_names(tmp_path: Path, mode: Any) -> None:
    lines = [line(f"row-{n}", f"prompt {n}", temperature=0.5, seed=n) for n in range(30)]
    lines[7]["url"] = "/v1/embeddings"
    source = write(tmp_path / "in.jsonl", lines)
    with Simulator() as simulator:
        config = BatchConfig(
            base_url=simulator.base_url, model="gpt-4o-mini", journal=tmp_path / "run.db", mode=mode,
            batches={"poll_s": 0.02},
        )  # fmt: skip
        job = FileJob(source, tmp_path / "out.jsonl", input_format="openai-batch", output_format="openai-batch")
        result = await run_job(job, create_agent(config), config)
        bodies = list(simulator.bodies)
    found = [json.loads(text) for text in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [each["custom_id"] for each in found] == [f"row-{n}" for n in range(30) if n != 7]
    for each in found:
        body = each["response"]["body"]
        prompt = f"prompt {each['custom_id'][4:]}"
        assert body["choices"][0]["message"] == {"role": "assistant", "content": f"mock answer to: {prompt}"}
        assert body["choices"][0]["finish_reason"] == "stop"
        assert body["usage"]["prompt_tokens"] > 0 and body["model"] == "gpt-4o-mini"
    assert (result.rows_written, result.rows_failed) == (29, 1)
    assert '"row": "row-7"' in (tmp_path / "out.failed.jsonl").read_text()
    assert all(body["temperature"] == 0.5 and "seed" in body for body in bodies)  # type: ignore[index, operator]


def agent(**options: Any) -> RequestLines:
    return RequestLines(create_agent(BatchConfig(api_key="none", **options)))


def test_a_line_says_all_but_the_model() -> None:
    request = agent(model="mine", max_tokens=9).prepare(line("a", temperature=1, top_p=0.5, max_completion_tokens=7))
    assert (request.model, request.temperature, request.max_tokens, request.asked) == ("mine", 1, 7, True)
    assert request.parameters is not None and request.parameters.values == {"top_p": 0.5}
    plain = agent(model="mine", max_tokens=9).prepare(line("a"))
    assert (plain.temperature, plain.max_tokens, plain.parameters, plain.asked) == (None, 9, None, False)
    assert agent(max_tokens=9).max_output(request) == 7 and agent(max_tokens=9).max_output(None) == 9


@pytest.mark.parametrize(
    "wrong",
    [
        "text",
        {},
        {**line("a"), "custom_id": 7},
        {**line("a"), "method": "GET"},
        {**line("a"), "url": "/v1/embeddings"},
        {**line("a"), "body": None},
        {**line("a"), "body": {"messages": "hello"}},
        {**line("a"), "body": {"messages": [1]}},
    ],
)
def test_what_is_no_chat_request_is_refused(wrong: Any) -> None:
    with pytest.raises(InputError):
        body_of_line(wrong)


def test_the_model_of_a_file_is_one() -> None:
    assert model_of_lines([line("a"), {"custom_id": "b"}, {"body": {"model": 7}}]) == "gpt-4o-mini"
    assert model_of_lines([]) is None
    with pytest.raises(ConfigError, match=r"gpt-4o, gpt-4o-mini.*--model"):
        model_of_lines([line("a"), line("b", model="gpt-4o")])


def test_an_output_needs_names_and_an_input_needs_no_template(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="template"):
        FileJob("in.jsonl", "out.jsonl", template="{text}", input_format="openai-batch")
    assert FileJob("in.jsonl", "out.jsonl", input_format="openai-batch").id == "custom_id"
    assert "usage" in FileJob("in.jsonl", "out.jsonl", output_format="openai-batch").columns


async def test_rows_without_a_name_have_no_output_line(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("text\na\n")
    config = BatchConfig(llm_provider="mock")
    job = FileJob(source, tmp_path / "out.jsonl", template="{text}", output_format="openai-batch")
    with pytest.raises(ConfigError, match="custom_id"):
        await run_job(job, create_agent(config), config)


def test_a_request_of_a_journal_is_an_input_line() -> None:
    text = json.dumps({**line("a")["body"], "stream": False})
    encoded = input_line("00ff", text)
    assert encoded is not None and json.loads(encoded) == line("00ff")
    for other in ("null", "{", "[1]", '{"messages": 1}', '{"messages": [{"content": {"media":{"sha256": "0"}}}]}'):
        assert input_line("00ff", other) is None


def test_an_output_line_has_the_form_of_the_api() -> None:
    found = output_line("a", {"result": "yes", "finish_reason": "stop", "model": "m", "input_tokens": 3})
    assert found["response"]["status_code"] == 200  # type: ignore[index]
    assert found["response"]["body"]["usage"] == {"prompt_tokens": 3, "completion_tokens": 0}  # type: ignore[index]
    assert found["error"] is None
