"""Batches over real servers and middleboxes give the same ledger with the lean client and with the SDK.

The names of the tests are the rows of the table in docs/providers.md, and their servers its columns.
"""

import re
from pathlib import Path
from typing import Any

import pytest

from kaizen_batch import BatchProcessorAgent, BatchResult
from kaizen_batch.simulator import Simulator
from kaizen_batch.simulator.settings import error_reply

ITEMS = [f"question {n}" for n in range(60)]
QUICK = {"wait_initial": 0.01, "wait_max": 0.05}
BOTH = pytest.mark.parametrize("transport", ["fast", "sdk"])
MIDDLEBOXES = pytest.mark.parametrize("server", ["nginx", "haproxy", "tinyproxy", "litellm"])


@pytest.fixture
def url_of(request: pytest.FixtureRequest, simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The base URL behind a middlebox; a forward proxy is set in the environment."""

    def start(server: str) -> str:
        url: str = request.getfixturevalue(server)
        if server != "tinyproxy":
            return url
        monkeypatch.setenv("HTTP_PROXY", url)
        return simulator.base_url

    return start


async def run_batch(url: str, items: list[Any], transport: str, **options: Any) -> BatchResult:
    given = {"model": "tiny", "api_key": "sk-tiny", "max_concurrent": 8, "timeout_s": 30.0, **options}
    agent = BatchProcessorAgent(base_url=url, provider_options={"transport": transport}, **{"retry": QUICK, **given})
    return await agent.run_batch(items)


# Middleboxes in front of the simulator, which keeps a ledger.


@BOTH
@MIDDLEBOXES
async def test_each_item_is_billed_once(server: str, transport: str, url_of: Any, simulator: Simulator) -> None:
    done = await run_batch(url_of(server), ITEMS, transport)
    assert [result["result"] for result in done.results] == [f"mock answer to: {item}" for item in ITEMS]
    summary = done.summary
    # tinyproxy closes without a word: a request may cross the close, and nobody can tell whether it was read.
    crossed = summary.unanswered if server == "tinyproxy" else 0
    assert (summary.calls, summary.unanswered, summary.maybe_paid_twice) == (len(ITEMS) + crossed, crossed, crossed)
    assert set(simulator.ledger.billed_by_prompt().values()) == {1}
    assert simulator.ledger.calls == len(ITEMS)
    assert summary.input_tokens + summary.output_tokens == sum(entry.tokens for entry in simulator.ledger.entries)


async def test_rows_of_a_batch_are_billed_once(litellm: str, simulator: Simulator, tmp_path: Path) -> None:
    batches = {"rows": 30, "live_first": 2, "poll_s": 0.05, "price": {"input": 0.5, "output": 1.0}}
    agent = BatchProcessorAgent(
        base_url=litellm, model="tiny", api_key="sk-tiny", mode="batch", batches=batches, journal=tmp_path / "run.db"
    )
    done = await agent.run_batch(ITEMS)
    assert [result["result"] for result in done.results] == [f"mock answer to: {item}" for item in ITEMS]
    assert set(simulator.ledger.billed_by_prompt().values()) == {1}
    assert {mode: number for mode, (number, _) in simulator.ledger.billed_by_mode().items()} == {"live": 2, "batch": 58}


@BOTH
@MIDDLEBOXES
async def test_an_error_keeps_its_message(server: str, transport: str, url_of: Any, simulator: Simulator) -> None:
    simulator.reply_with(error_reply(400, "invalid_value", "the request is wrong"))
    done = await run_batch(url_of(server), ["bad", "good"], transport, max_concurrent=1)
    [bad, good] = done.results
    assert (bad["error"]["type"], good["status"], bad["attempts"]) == ("BadRequestError", "ok", 1)
    assert "the request is wrong" in bad["error"]["message"]


@BOTH
@MIDDLEBOXES
async def test_a_throttle_is_waited_for(server: str, transport: str, url_of: Any, simulator: Simulator) -> None:
    simulator.reply_with(error_reply(429, "rate_limit_exceeded", "slower").with_headers({"retry-after-ms": "20"}))
    done = await run_batch(url_of(server), ITEMS[:5], transport, max_concurrent=1)
    assert (done.summary.ok, done.summary.calls, done.summary.throttles) == (5, 6, 1)


@BOTH
@pytest.mark.parametrize("server", ["nginx", "haproxy", "tinyproxy"])
async def test_long_prompts_arrive_whole(server: str, transport: str, url_of: Any, simulator: Simulator) -> None:
    prompts = ["é" * 100_000, "🙂" * 10_000, "\x00\u2028\r\n"]
    done = await run_batch(url_of(server), prompts, transport, max_tokens=None)  # the simulator ends answers there
    assert [result["result"] for result in done.results] == [f"mock answer to: {prompt}" for prompt in prompts]


@BOTH
async def test_a_page_of_nginx_is_shown_by_its_title(transport: str, nginx: str) -> None:
    done = await run_batch(nginx.replace("/v1", "/down/v1"), ["a"], transport, retry={"attempts": 1})
    [result] = done.results
    assert result["error"]["message"] == "HTTP 502: 502 Bad Gateway"


# llama.cpp.


@BOTH
async def test_llama_cpp_answers_each_item_once(transport: str, llama: str) -> None:
    done = await run_batch(llama, ITEMS[:40], transport, max_tokens=8, temperature=0.0, on_empty="keep")
    summary = done.summary
    assert (summary.ok, summary.calls, summary.unanswered) == (40, 40, 0)
    assert summary.truncated + sum(r["finish_reason"] == "stop" for r in done.results) == 40
    assert {result["answered_by"] for result in done.results} == {"tiny"}
    assert summary.input_tokens > 0 and 0 < summary.output_tokens <= 8 * 40


@BOTH
async def test_llama_cpp_refuses_a_wrong_key(transport: str, llama: str) -> None:
    done = await run_batch(llama, ITEMS, transport, api_key="sk-wrong", max_concurrent=1)
    assert (done.results[0]["error"]["type"], done.summary.calls) == ("AuthenticationError", 1)
    assert done.summary.stopped is not None


@BOTH
async def test_llama_cpp_names_the_model_that_answered(transport: str, llama: str) -> None:
    done = await run_batch(llama, ["a"], transport, model="gpt-4o-mini", max_tokens=4, on_empty="keep")
    assert done.summary.other_models == {"tiny": 1}


@BOTH
async def test_llama_cpp_says_that_a_prompt_is_too_long(transport: str, llama: str) -> None:
    done = await run_batch(llama, ["x " * 5_000, "short"], transport, max_tokens=4, on_empty="keep")
    [long, short] = done.results
    assert (long["error"]["code"], long["attempts"], short["status"]) == ("exceed_context_size_error", 1, "ok")


@BOTH
async def test_llama_cpp_obeys_a_schema(transport: str, llama: str) -> None:
    from pydantic import BaseModel

    class Answer(BaseModel):
        good: bool

    agent = BatchProcessorAgent(
        base_url=llama,
        api_key="sk-tiny",
        model="tiny",
        max_tokens=40,
        signature=Answer,
        provider_options={"transport": transport},
    )
    done = await agent.run_batch(["Is it good?"])
    # Random weights end the object late or never, but the grammar allows nothing else.
    said = re.sub(r"\s", "", str(done.results[0]["response"]))
    assert said and any(whole.startswith(said) for whole in ('{"good":true}', '{"good":false}'))
