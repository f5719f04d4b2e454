"""OpenAIProvider over real HTTP, by the lean client and by the official SDK, against the simulator."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import pytest

from kaizen_batch import (
    BatchConfig,
    BatchResult,
    ConfigError,
    InputField,
    ItemFinished,
    OpenAIProvider,
    OutputField,
    ParallelBatchStrategy,
    ProcessingSignature,
    RetryPolicy,
    Signature,
)
from kaizen_batch.agents import ModelAgent, create_agent
from kaizen_batch.results import outputs_of
from kaizen_batch.simulator import Reply, Simulator
from kaizen_batch.simulator.settings import error_reply

KEY = "sk-test-4f1d9a77c0ffee"
QUICK = RetryPolicy(wait_initial=0.001, wait_max=0.005)


@pytest.fixture(autouse=True, params=["fast", "sdk"])
def _transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test runs over both clients; which one is the only difference that may be seen."""

    def decided(transport: str, base_url: str) -> tuple[bool, str]:
        return request.param == "fast", ""

    monkeypatch.setattr("kaizen_batch.providers.openai.wants_fast", decided)


class Triage(Signature):
    """Decide which team a ticket belongs to."""

    text: str = InputField()
    team: Literal["billing", "tech"] = OutputField("the team")
    confidence: float = OutputField("how sure", ge=0, le=1)


def config_for(simulator: Simulator, **options: Any) -> BatchConfig:
    given = {"api_key": KEY, "base_url": simulator.base_url, "retry": QUICK, "max_concurrent": 1, **options}
    return BatchConfig(**given)


async def run(
    simulator: Simulator, items: list[Any], signature: type[Signature] | None = None, **options: Any
) -> BatchResult:
    config = config_for(simulator, **options)
    return await ParallelBatchStrategy.from_config(config).run_batch(create_agent(config, signature), items)


def chat(content: Any) -> Reply:
    message = {"role": "assistant", "content": content}
    return Reply(200, {"choices": [{"index": 0, "finish_reason": "stop", "message": message}], "model": "m"})


# The error table.


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_a_refused_item_fails_alone_and_without_a_retry(simulator: Simulator, status: int) -> None:
    simulator.reply_with(error_reply(status, "invalid_value", "the request is wrong"))
    done = await run(simulator, ["bad", "good"])
    bad, good = done.results
    assert (bad["error"]["type"], bad["error"]["code"]) == ("BadRequestError", "invalid_value")
    assert f"HTTP {status}: the request is wrong" in bad["error"]["message"]
    assert (bad["attempts"], good["status"], simulator.ledger.calls) == (1, "ok", 2)


@pytest.mark.parametrize(
    ("status", "kind", "calls"),
    [(401, "AuthenticationError", 1), (403, "AuthenticationError", 3), (404, "ModelNotFoundError", 3)],
)
async def test_a_fault_of_the_setup_stops_the_run(simulator: Simulator, status: int, kind: str, calls: int) -> None:
    simulator.reply_with(*[error_reply(status, None)] * 3)
    done = await run(simulator, ["a", "b", "c", "d", "e"])
    assert [r["error"]["type"] for r in done.results[:calls]] == [kind] * calls
    assert [r["error"]["code"] for r in done.results[calls:]] == ["not_attempted"] * (5 - calls)
    assert done.summary.stopped is not None and kind in done.summary.stopped
    assert simulator.ledger.calls == calls


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_after_a_success_a_refusal_fails_its_item_and_twenty_in_a_row_end_the_run(
    simulator: Simulator, status: int
) -> None:
    simulator.reply_with(chat("ok"), error_reply(status, None, "this prompt"), chat("ok"))
    done = await run(simulator, ["a", "b", "c", "d"])
    assert [r["status"] for r in done.results] == ["ok", "error", "ok", "ok"]
    assert (done.summary.stopped, done.results[1]["error"]["retryable"]) == (None, False)
    simulator.reply_with(chat("ok"), *[error_reply(status, None)] * 30)
    done = await run(simulator, [f"n {n}" for n in range(30)])
    assert (done.summary.failed, done.summary.not_attempted) == (20, 9)
    assert done.summary.stopped is not None and f"HTTP {status}" in done.summary.stopped


async def test_the_server_names_the_model_that_answered(simulator: Simulator) -> None:
    def named(model: str) -> Reply:
        return Reply(200, {**chat("hi").body, "model": model})

    simulator.reply_with(named("gpt-3.5-turbo-0125"), named("tiny.gguf"), named("tiny.gguf"))
    done = await run(simulator, ["a", "b", "c", "d"])
    names = [r["answered_by"] for r in done.results]
    assert names == ["gpt-3.5-turbo-0125", "tiny.gguf", "tiny.gguf", "gpt-3.5-turbo"]
    assert done.summary.other_models == {"tiny.gguf": 2}


async def test_the_reasoning_is_in_the_result_and_its_tokens_in_the_usage(simulator: Simulator) -> None:
    body = chat("hi").body
    body["choices"][0]["message"]["reasoning_content"] = "hmm"
    details = {"reasoning_tokens": 4}
    body["usage"] = {"prompt_tokens": 3, "completion_tokens": 5, "completion_tokens_details": details}
    simulator.reply_with(Reply(200, body))
    [result] = (await run(simulator, ["a"])).results
    assert (result["reasoning"], result["usage"]["reasoning_tokens"]) == ("hmm", 4)


async def test_a_signature_s_own_reasoning_wins(simulator: Simulator) -> None:
    class Reasoned(Signature):
        text: str = InputField()
        reasoning: str = OutputField()

    body = chat("mine").body
    body["choices"][0]["message"]["reasoning"] = "the model's"
    simulator.reply_with(Reply(200, body))
    [result] = (await run(simulator, [{"text": "a"}], Reasoned)).results
    assert (result["reasoning"], outputs_of(result)) == ("mine", {"reasoning": "mine"})


async def test_a_failed_generation_that_was_billed_is_priced_and_repeated(simulator: Simulator) -> None:
    failed = {"error": {"code": 502, "message": "idle"}, "finish_reason": "error", "message": {"content": ""}}
    usage = {"prompt_tokens": 1000, "completion_tokens": 1000, "total_tokens": 2000}
    simulator.reply_with(Reply(200, {"choices": [failed], "usage": usage}))
    done = await run(simulator, ["a"], price={"input": 1.0, "output": 1.0})
    assert (done.summary.ok, done.summary.calls, done.summary.unanswered) == (1, 2, 0)
    assert done.summary.cost_usd is not None and done.summary.cost_usd > 0.002


@pytest.mark.parametrize("status", [408, 409, 500, 502, 503, 504, 529])
async def test_a_fault_of_the_server_is_retried(simulator: Simulator, status: int) -> None:
    simulator.reply_with(error_reply(status, "server_error"), error_reply(status, None))
    done = await run(simulator, ["hello"])
    assert done.results[0]["result"] == "mock answer to: hello"
    assert (done.results[0]["attempts"], simulator.ledger.billed, done.summary.throttles) == (3, 1, 0)


async def test_a_server_that_never_recovers_fails_the_item_after_its_attempts(simulator: Simulator) -> None:
    simulator.reply_with(*[error_reply(500, "server_error")] * 5)
    done = await run(simulator, ["x"])
    [result] = done.results
    assert (result["attempts"], result["error"]["code"], result["error"]["retryable"]) == (5, "server_error", True)
    assert (done.summary.stopped, simulator.ledger.calls) == (None, 5)


@pytest.mark.parametrize("code", ["rate_limit_exceeded", "slow_down", None])
async def test_a_throttle_is_retried_and_counted(simulator: Simulator, code: str | None) -> None:
    simulator.reply_with(error_reply(429, code), error_reply(429, code).with_headers({"retry-after-ms": "5"}))
    done = await run(simulator, ["hello"])
    assert (done.results[0]["status"], done.results[0]["attempts"], done.summary.throttles) == ("ok", 3, 2)


@pytest.mark.parametrize(
    "code", ["insufficient_quota", "credit_balance_exhausted", "org_spend_limit_exceeded", "x_usage_limit_exceeded"]
)
async def test_an_exhausted_account_stops_the_run_after_the_calls_in_flight(code: str) -> None:
    with Simulator(latency_s=0.005) as simulator:
        simulator.reply_with(error_reply(429, code, "no money left"))
        done = await run(simulator, ["x"] * 20, max_concurrent=4)
    summary = done.summary
    assert (summary.ok, summary.failed, summary.not_attempted, summary.calls) == (3, 1, 16, 4)
    assert summary.failures == {code: 1}
    assert summary.stopped is not None and "no money left" in summary.stopped
    assert simulator.ledger.calls == 4


async def test_an_overloaded_server_is_asked_again(simulator: Simulator) -> None:
    simulator.reply_with(error_reply(503, "server_is_overloaded"))
    done = await run(simulator, ["hello"])
    assert (done.results[0]["status"], done.results[0]["attempts"], done.summary.throttles) == ("ok", 2, 0)


@pytest.mark.parametrize("before", [True, False])
async def test_torn_connections_are_retried(before: bool) -> None:
    with Simulator(rate_torn=0.3, torn_before_billing=before, seed=3) as simulator:
        done = await run(simulator, [f"item {n}" for n in range(30)], retry={**QUICK.model_dump(), "attempts": 20})
    assert [r["result"] for r in done.results] == [f"mock answer to: item {n}" for n in range(30)]
    torn = [entry for entry in simulator.ledger.entries if entry.status == 0]
    assert torn and {entry.billed for entry in torn} == {not before}
    assert done.summary.calls == 30 + len(torn) == simulator.ledger.calls


async def test_a_torn_connection_without_attempts_left_is_named(simulator: Simulator) -> None:
    with Simulator(rate_torn=1.0) as torn:
        done = await run(torn, ["x"], retry={"attempts": 1})
    error = done.results[0]["error"]
    assert (error["type"], error["code"], error["retryable"]) == ("NoAnswerError", "connection", True)


JSON = {"Content-Type": "application/json"}
HTML = {"Content-Type": "text/html"}


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, "this is no JSON"),
        Reply(200, "this is no JSON", JSON),
        Reply(200, '{"choices": [{"message": {"content": "ha', JSON),
        Reply(200, "", JSON),
        Reply(200, {"hello": "world"}),
        Reply(200, {"choices": [{"message": {"content": 7}}]}),
        Reply(200, {"choices": None}),
        Reply(200, ["a", "list"]),
        Reply(200, "null", JSON),
        Reply(200, "<html><body>Please log in</body></html>", HTML),
    ],
)
async def test_a_200_that_is_no_completion_is_retried(simulator: Simulator, reply: Reply) -> None:
    simulator.reply_with(reply)
    done = await run(simulator, ["hello"])
    assert (done.results[0]["result"], done.results[0]["attempts"]) == ("mock answer to: hello", 2)


async def test_truncated_responses_are_retried() -> None:
    with Simulator(rate_bad_json=0.3, seed=1) as simulator:
        done = await run(simulator, ["x"] * 20, retry={**QUICK.model_dump(), "attempts": 20})
    assert done.summary.ok == 20
    assert simulator.ledger.billed == done.summary.calls > 20


async def test_a_senseless_answer_without_attempts_left_is_named(simulator: Simulator) -> None:
    simulator.reply_with(Reply(200, "<html>secret page</html>", HTML))
    done = await run(simulator, ["x"], retry={"attempts": 1})
    error = done.results[0]["error"]
    assert (error["type"], error["code"]) == ("ServerError", "bad_response")
    assert "secret page" not in error["message"]


@pytest.mark.parametrize(("status", "verdict", "calls"), [(500, "false", 1), (400, "true", 2)])
async def test_x_should_retry_decides_over_the_status(
    simulator: Simulator, status: int, verdict: str, calls: int
) -> None:
    simulator.reply_with(error_reply(status, "any").with_headers({"x-should-retry": verdict}))
    done = await run(simulator, ["x"])
    assert (done.results[0]["status"] == "ok", simulator.ledger.calls) == (calls == 2, calls)


async def test_a_wait_beyond_retry_after_max_stops_the_run(simulator: Simulator) -> None:
    simulator.reply_with(error_reply(429, "rate_limit_exceeded").with_headers({"retry-after": "3600"}))
    done = await run(simulator, ["x", "y"])
    assert [r["error"]["code"] for r in done.results] == ["rate_limit_exceeded", "not_attempted"]


# The key.


async def test_the_key_is_in_no_result_although_the_endpoint_quotes_it(
    simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", logger="kaizen_batch")
    simulator.reply_with(error_reply(401, "invalid_api_key", f"Incorrect API key provided: {KEY}. Sorry, {KEY}."))
    done = await run(simulator, ["x", "y"])
    everything = json.dumps(done.results) + repr(done) + caplog.text
    assert KEY not in everything
    assert "OPENAI_API_KEY" in done.results[0]["error"]["message"]


async def test_the_key_reaches_the_endpoint() -> None:
    with Simulator(api_key=KEY) as simulator:
        good = await run(simulator, ["x"])
        bad = await run(simulator, ["x"], api_key="sk-another")
    assert good.summary.ok == 1
    assert bad.results[0]["error"]["code"] == "invalid_api_key"


def test_no_key_is_a_config_error_that_names_the_variable() -> None:
    with pytest.raises(ConfigError, match="OPENAI_API_KEY"):
        create_agent(BatchConfig())


async def test_a_server_of_ones_own_needs_no_key(simulator: Simulator) -> None:
    done = await run(simulator, ["hello"], api_key=None)
    assert done.results[0]["result"] == "mock answer to: hello"


async def test_key_and_endpoint_come_from_the_environment(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", simulator.base_url)
    config = BatchConfig()
    done = await ParallelBatchStrategy.from_config(config).run_batch(create_agent(config), ["hello"])
    assert done.summary.ok == simulator.ledger.billed == 1


# What goes over the wire.


@pytest.mark.parametrize("model", ["gpt-5-mini", "o3"])
async def test_a_reasoning_model_costs_no_refused_call(simulator: Simulator, model: str) -> None:
    done = await run(simulator, ["x"] * 5, model=model, max_tokens=50)
    assert (done.summary.ok, simulator.ledger.calls) == (5, 5)
    assert {body["max_completion_tokens"] for body in simulator.bodies} == {50}
    assert not any("max_tokens" in body or "temperature" in body for body in simulator.bodies)


async def test_an_unknown_model_costs_one_call_for_each_refused_parameter(simulator: Simulator) -> None:
    done = await run(simulator, ["x"] * 30, model="strict-unknown")
    assert (done.summary.ok, simulator.ledger.calls, simulator.ledger.billed) == (30, 32, 30)
    assert simulator.bodies[-1]["max_completion_tokens"] == 200


async def test_an_unknown_model_costs_at_most_the_first_wave_for_each_refused_parameter() -> None:
    with Simulator(latency_s=0.002) as simulator:
        done = await run(simulator, ["x"] * 100, model="strict-unknown", max_concurrent=10)
    assert (done.summary.ok, simulator.ledger.billed) == (100, 100)
    assert simulator.ledger.calls <= 100 + 2 * 10


async def test_a_chat_model_gets_max_tokens_and_temperature(simulator: Simulator) -> None:
    await run(simulator, ["x"], max_tokens=7, temperature=0.3, system_prompt="Be brief.")
    [body] = simulator.bodies
    assert body == {
        "model": "gpt-3.5-turbo",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "x"}],
        "temperature": 0.3,
        "max_tokens": 7,
        "stream": False,
    }


async def test_options_that_are_none_are_not_sent(simulator: Simulator) -> None:
    await run(simulator, ["x"], max_tokens=None, temperature=None)
    assert set(simulator.bodies[0]) == {"model", "messages", "stream"}


async def test_a_typed_signature_sends_a_strict_schema_and_validates_the_answer(simulator: Simulator) -> None:
    done = await run(simulator, [{"text": "My billing is wrong: billing!"}], Triage)
    wanted = simulator.bodies[0]["response_format"]
    assert (wanted["type"], wanted["json_schema"]["strict"]) == ("json_schema", True)
    assert wanted["json_schema"]["schema"]["additionalProperties"] is False
    assert wanted["json_schema"]["schema"]["required"] == ["team", "confidence"]
    assert done.results[0]["team"] == "billing"
    assert 0 <= done.results[0]["confidence"] <= 1


@pytest.mark.parametrize(
    "prompt",
    ["see ${batch} and ${prompt}", "<script>alert(1)</script>", "a\x00b", "🙂👩‍👩‍👧 é", "x" * 50_000, " \r\n\t "],
    ids=["template", "script", "nul", "emoji", "long", "blank"],
)
async def test_a_prompt_arrives_unchanged(simulator: Simulator, prompt: str) -> None:
    done = await run(simulator, [{"prompt": prompt}], max_tokens=None)
    assert simulator.bodies[0]["messages"] == [{"role": "user", "content": prompt}]
    assert done.results[0]["result"] == f"mock answer to: {prompt}"


async def test_a_prompt_that_is_no_unicode_fails_alone(simulator: Simulator) -> None:
    done = await run(simulator, ["\ud800", "good"])
    assert [r["status"] for r in done.results] == ["error", "ok"]
    assert done.results[0]["error"]["code"] == "invalid_text"


# Re-asks, time-outs.


async def test_a_reask_has_the_last_answer_and_one_line_and_does_not_grow(simulator: Simulator) -> None:
    unfit = ['{"team": "nobody", "confidence": 3}', '{"team": "tech"}', "no idea"]
    simulator.reply_with(*map(chat, unfit))
    done = await run(simulator, [{"text": "tech"}], Triage, max_reasks=3)
    assert (done.results[0]["status"], done.results[0]["attempts"]) == ("ok", 4)
    asked = [body["messages"] for body in simulator.bodies]
    for answer, messages in zip(unfit, asked[1:], strict=True):
        assert messages[:-2] == asked[0]
        assert messages[-2] == {"role": "assistant", "content": answer}
        assert messages[-1]["role"] == "user" and "\n" not in messages[-1]["content"]
    assert "team: the value is not one of" in asked[1][-1]["content"]
    assert "confidence: it is missing" in asked[2][-1]["content"]
    assert "it is not JSON" in asked[3][-1]["content"]


async def test_an_answer_that_stays_unfit_fails_and_keeps_its_text(simulator: Simulator) -> None:
    simulator.reply_with(chat("no idea"), chat("still no idea"))
    done = await run(simulator, [{"text": "tech"}], Triage, max_reasks=1)
    [result] = done.results
    assert (result["error"]["code"], result["attempts"], result["team"]) == ("invalid_output", 2, None)
    assert result["response"] == "still no idea"
    assert "idea" not in result["error"]["message"]


async def test_a_call_beyond_timeout_s_gives_timeout() -> None:
    with Simulator(latency_s=0.05) as simulator:
        done = await run(simulator, ["x"], timeout_s=0.005, retry={"attempts": 1})
    error = done.results[0]["error"]
    assert (error["type"], error["code"], error["retryable"]) == ("NoAnswerError", "timeout", True)


async def test_the_providers_own_time_limit_gives_timeout() -> None:
    with Simulator(latency_s=0.05) as simulator:
        config = config_for(simulator, retry={"attempts": 1})
        provider = OpenAIProvider(base_url=simulator.base_url, timeout_s=0.005)
        agent = ModelAgent(config, ProcessingSignature, provider)
        done = await ParallelBatchStrategy.from_config(config).run_batch(agent, ["x"])
    assert done.results[0]["error"]["code"] == "timeout"
    assert not provider._clients


# Loops, threads, clients.


async def test_two_runs_in_one_loop_share_a_client_and_close_it() -> None:
    with Simulator(latency_s=0.005) as simulator:
        config = config_for(simulator, max_concurrent=5)
        agent, strategy = create_agent(config), ParallelBatchStrategy.from_config(config)
        provider: OpenAIProvider = agent.provider
        seen: list[list[int]] = []
        clients: set[int] = set()

        def look(event: object) -> None:
            if isinstance(event, ItemFinished):
                seen.append([client.runs for client in provider._clients.values()])
                clients.update(id(client.transport) for client in provider._clients.values())

        async with asyncio.TaskGroup() as group:
            runs = [
                group.create_task(strategy.run_batch(agent, [f"{name}{n}" for n in range(20)], on_event=look))
                for name in "ab"
            ]
    assert [task.result().summary.ok for task in runs] == [20, 20]
    assert len(clients) == 1 and [2] in seen
    assert not provider._clients


async def test_the_client_is_closed_after_a_run_that_was_left_early(simulator: Simulator) -> None:
    config = config_for(simulator)
    agent = create_agent(config)
    async with ParallelBatchStrategy.from_config(config).stream(agent, ["x"] * 50) as stream:
        async for _ in stream:
            break
    assert not agent.provider._clients


def test_two_threads_run_batches_on_one_agent() -> None:
    with Simulator(latency_s=0.001) as simulator:
        config = config_for(simulator, max_concurrent=5)
        agent, strategy = create_agent(config), ParallelBatchStrategy.from_config(config)

        def work(name: str) -> list[str]:
            results: list[str] = []
            for turn in range(3):
                done = asyncio.run(strategy.run_batch(agent, [f"{name} {turn} {n}" for n in range(20)]))
                results += [r["result"] for r in done.results]
            return results

        with ThreadPoolExecutor(2) as pool:
            answers = dict(zip("ab", pool.map(work, "ab"), strict=True))
    for name, results in answers.items():
        assert results == [f"mock answer to: {name} {turn} {n}" for turn in range(3) for n in range(20)]
    assert simulator.ledger.billed == 120
    assert not agent.provider._clients


async def test_a_single_call_outside_of_a_run_opens_and_closes_a_client(simulator: Simulator) -> None:
    provider = OpenAIProvider(base_url=simulator.base_url)
    agent = ModelAgent(BatchConfig(base_url=simulator.base_url), ProcessingSignature, provider)
    completion = await agent.complete(agent.prepare("hello"))
    assert completion.text == "mock answer to: hello"
    assert completion.usage is not None and completion.usage.total_tokens > 0
    assert not provider._clients
