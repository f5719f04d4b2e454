"""What is learned from refusals, in a run against a server."""

from typing import Any

import pytest

from kaizen_batch import BatchProcessorAgent
from kaizen_batch.results import BatchResult
from kaizen_batch.simulator import Simulator
from kaizen_batch.simulator.settings import error_reply

pytestmark = pytest.mark.enable_socket
FAST = {"wait_initial": 0.01, "wait_max": 0.02}


def refusal(name: str, code: str | None = None) -> Any:
    return error_reply(400, code, f"Unsupported parameter: {name!r} is not supported with this model.", param=name)


async def run(server: Simulator, items: list[str], **options: Any) -> BatchResult:
    agent = BatchProcessorAgent(base_url=server.base_url, model="m", retry=FAST, max_concurrent=1, **options)
    return await agent.run_batch(items)


@pytest.mark.parametrize("transport", ["fast", "sdk"])
async def test_a_default_that_the_model_refuses_is_left_out_from_then_on(transport: str) -> None:
    with Simulator() as server:
        server.reply_with(refusal("temperature"))
        batch = await run(server, ["a", "b"], provider_options={"transport": transport})
        sent = ["temperature" in entry.parameters for entry in server.ledger.entries]
    assert batch.summary.ok == 2 and sent == [True, False, False]


async def test_a_temperature_that_was_asked_for_is_an_error_with_its_name() -> None:
    with Simulator() as server:
        server.reply_with(refusal("temperature"))
        batch = await run(server, ["a"], temperature=0.1)
    error = batch.results[0]["error"]
    assert error["code"] == "unsupported_parameter"
    assert "'temperature', which was asked for: set temperature=None" in error["message"]


async def test_a_parameter_that_is_refused_to_three_items_ends_the_run() -> None:
    with Simulator() as server:
        server.reply_with(*[refusal("top_k", "unknown_parameter")] * 200)
        batch = await run(server, list(map(str, range(200))), parameters={"top_k": 3})
        calls = server.ledger.calls
    assert calls == 3 and batch.summary.not_attempted == 197
    assert batch.summary.stopped is not None and "'top_k'" in batch.summary.stopped


async def test_max_tokens_is_renamed_even_if_it_was_asked_for_and_back() -> None:
    with Simulator() as server:
        server.reply_with(refusal("max_tokens"))
        assert (await run(server, ["a"], max_tokens=50)).summary.ok == 1
        assert server.ledger.entries[-1].parameters["max_completion_tokens"] == 50
        server.reply_with(refusal("max_tokens"), refusal("max_completion_tokens"))
        batch = await run(server, ["b"], max_tokens=50)
    assert batch.results[0]["error"]["code"] == "unsupported_parameter"
    assert "set max_tokens=None" in batch.results[0]["error"]["message"]


async def test_what_one_model_refuses_another_still_gets() -> None:
    with Simulator() as server:
        server.reply_with(refusal("temperature"))
        agent = BatchProcessorAgent(base_url=server.base_url, model="m", retry=FAST, fallbacks=("n",))
        await agent.run_batch(["a"])
        server.reply_with(error_reply(400, "bad", "no"))
        batch = await agent.run_batch(["b"])
        assert batch.results[0]["answered_by"] == "n"
        assert [e.parameters.get("temperature") for e in server.ledger.entries] == [0.1, None, None, 0.1]


@pytest.mark.parametrize("transport", ["fast", "sdk"])
async def test_parameters_and_headers_arrive_whatever_the_client_knows_of_them(
    transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TENANT", "t-1")
    parameters = {"enable_thinking": False, "top_p": 0.5, "logit_bias": {"1": -1}, "vendor": {"a": [1, None, "é"]}}
    headers = {"X-Tenant": "${TENANT}", "authorization": "Key ${TENANT}", "X-Own": "literal"}
    with Simulator() as server:
        options = {"provider_options": {"transport": transport}, "max_tokens": None, "temperature": None}
        assert (await run(server, ["a"], parameters=parameters, headers=headers, **options)).summary.ok == 1
        sent = server.headers[0]
        assert server.ledger.entries[0].parameters == parameters
    assert (sent["x-tenant"], sent["authorization"], sent["x-own"]) == ("t-1", "Key t-1", "literal")


async def test_a_header_that_the_server_quotes_is_masked() -> None:
    with Simulator() as server:
        server.reply_with(error_reply(400, "bad", "the header s3cret-tenant and the key sk-own are wrong"))
        batch = await run(server, ["a"], headers={"X-Own": "s3cret-tenant"}, api_key="sk-own")
    assert "the header *** and the key *** are wrong" in batch.results[0]["error"]["message"]


async def test_flex_is_priced_and_billed_as_flex() -> None:
    openai = "https://api.openai.com/v1"
    tiers = {None: 1.0, "default": 1.0, "flex": 0.5, "priority": 2.0}
    for tier, factor in tiers.items():
        parameters = {} if tier is None else {"service_tier": tier}
        agent = BatchProcessorAgent(base_url=openai, api_key="k", model="gpt-5", parameters=parameters).engine_agent()
        assert agent.price is not None and (agent.price.input, agent.price.output) == (1.25 * factor, 10.0 * factor)
    unknown = BatchProcessorAgent(
        base_url=openai, api_key="k", model="gpt-4o-mini", parameters={"service_tier": "flex"}
    )
    assert unknown.engine_agent().price is None
    with Simulator(price_input=1_000_000) as server:
        await run(server, ["a"])
        await run(server, ["a"], parameters={"service_tier": "flex"})
        assert server.ledger.entries[1].usd == server.ledger.entries[0].usd / 2
