"""Batches through the official SDK, as any client makes them: results, faults, and who is billed for what."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import openai
import pytest

from kaizen_batch.simulator import Simulator
from kaizen_batch.simulator.settings import error_reply


def line(name: str, prompt: str = "hello", **more: Any) -> dict[str, Any]:
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": prompt}], **more}
    return {"custom_id": name, "method": "POST", "url": "/v1/chat/completions", "body": body}


@asynccontextmanager
async def sdk(simulator: Simulator) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(
        api_key="any", base_url=simulator.base_url, max_retries=0, http_client=httpx2.AsyncClient(trust_env=False)
    ) as client:
        yield client


async def create(client: openai.AsyncOpenAI, lines: list[dict[str, Any]], **metadata: str) -> Any:
    content = "\n".join(map(json.dumps, lines)).encode()
    file = await client.files.create(file=("requests.jsonl", content), purpose="batch")
    return await client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h", metadata=metadata
    )


async def ended(client: openai.AsyncOpenAI, batch: Any) -> Any:
    async with asyncio.timeout(20):
        while True:
            batch = await client.batches.retrieve(batch.id)
            if batch.status.lower() in ("completed", "failed", "expired", "cancelled"):
                return batch
            await asyncio.sleep(0.005)


async def lines_of(client: openai.AsyncOpenAI, file_id: str | None) -> dict[str, Any]:
    if file_id is None:
        return {}
    content = (await client.files.content(file_id)).content
    return {found["custom_id"]: found for found in map(json.loads, content.splitlines())}


async def test_the_stock_sdk_uploads_creates_polls_and_reads_the_results() -> None:
    with Simulator(price_input=1.0, price_output=2.0) as simulator:
        async with sdk(simulator) as client:
            batch = await create(client, [line(f"row-{n}", f"prompt {n}") for n in range(20)], job="nightly")
            assert (batch.status, batch.metadata) == ("validating", {"job": "nightly"})
            batch = await ended(client, batch)
            output = await lines_of(client, batch.output_file_id)
            await client.files.delete(batch.output_file_id)
            with pytest.raises(openai.NotFoundError):
                await client.files.retrieve(batch.output_file_id)
    assert (batch.status, batch.error_file_id) == ("completed", None)
    assert batch.request_counts.model_dump() == {"total": 20, "completed": 20, "failed": 0}
    texts = {name: found["response"]["body"]["choices"][0]["message"]["content"] for name, found in output.items()}
    assert texts == {f"row-{n}": f"mock answer to: prompt {n}" for n in range(20)}
    assert list(texts) != [f"row-{n}" for n in range(20)], "the results come in another order"
    assert set(simulator.ledger.billed_by_prompt().values()) == {1}


async def test_a_request_in_a_batch_costs_a_share_of_a_live_one() -> None:
    with Simulator(price_input=1.0, price_output=2.0, batch_discount=0.25) as simulator:
        async with sdk(simulator) as client:
            await ended(client, await create(client, [line("a")]))
            body = line("a")["body"]
            await client.chat.completions.create(**body)
            await client.chat.completions.create(**body, service_tier="flex")
        modes = simulator.ledger.billed_by_mode()
    assert {mode: number for mode, (number, _) in modes.items()} == {"batch": 1, "live": 1, "flex": 1}
    assert modes["batch"][1] == pytest.approx(modes["live"][1] / 4) == pytest.approx(modes["flex"][1])


async def test_flex_may_be_refused() -> None:
    with Simulator(flex=False) as simulator:
        async with sdk(simulator) as client:
            with pytest.raises(openai.BadRequestError, match="flex"):
                await client.chat.completions.create(**line("a")["body"], service_tier="flex")
    assert simulator.ledger.billed == 0


@pytest.mark.parametrize(
    ("lines", "options", "code"),
    [
        ([line("a"), line("a")], {}, "duplicate_custom_id"),
        ([line("a"), line("b", model="gpt-4o")], {}, "model_mismatch"),
        ([{"custom_id": "a"}], {}, "invalid_json_line"),
        ([{**line("a"), "url": "/v1/embeddings"}], {}, "invalid_json_line"),
        ([line("a", "x" * 400)], {"batch_queue_tokens": 50}, "token_limit_exceeded"),
    ],
)
async def test_a_file_that_is_not_valid_fails_the_batch(
    lines: list[dict[str, Any]], options: dict[str, Any], code: str
) -> None:
    with Simulator(**options) as simulator:
        async with sdk(simulator) as client:
            batch = await ended(client, await create(client, lines))
    assert (batch.status, [error.code for error in batch.errors.data]) == ("failed", [code])
    assert simulator.ledger.billed == 0


async def test_a_window_that_ends_first_bills_what_was_finished() -> None:
    with Simulator(batch_s=0.4, batch_window_s=0.2) as simulator:
        async with sdk(simulator) as client:
            batch = await ended(client, await create(client, [line(f"{n}", f"p{n}") for n in range(40)]))
            output, error = [await lines_of(client, name) for name in (batch.output_file_id, batch.error_file_id)]
    assert batch.status == "expired"
    assert 0 < len(output) < 40 and len(output) + len(error) == 40
    assert {found["error"]["code"] for found in error.values()} == {"batch_expired"}
    assert simulator.ledger.billed == len(output)


async def test_a_cancelled_batch_keeps_and_bills_what_was_finished() -> None:
    with Simulator(batch_s=0.6) as simulator:
        async with sdk(simulator) as client:
            batch = await create(client, [line(f"{n}", f"p{n}") for n in range(40)])
            while (await client.batches.retrieve(batch.id)).request_counts.completed < 5:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
            assert (await client.batches.cancel(batch.id)).status == "cancelling"
            batch = await ended(client, batch)
            output = await lines_of(client, batch.output_file_id)
            with pytest.raises(openai.ConflictError):
                await client.batches.cancel(batch.id)
    assert batch.status == "cancelled"
    assert 5 <= len(output) == simulator.ledger.billed < 40


async def test_requests_fail_expire_or_leave_no_trace() -> None:
    rates = {"batch_rate_error": 0.2, "batch_rate_expired": 0.2, "batch_rate_missing": 0.2}
    with Simulator(**rates) as simulator:
        async with sdk(simulator) as client:
            batch = await ended(client, await create(client, [line(f"{n}", f"p{n}") for n in range(100)]))
            output, error = [await lines_of(client, name) for name in (batch.output_file_id, batch.error_file_id)]
    statuses = [found["response"] and found["response"]["status_code"] for found in error.values()]
    assert 0 < statuses.count(500) < 50 and 0 < statuses.count(None) < 50
    missing = 100 - len(output) - len(error)
    assert 0 < missing < 50
    assert simulator.ledger.billed == len(output) + missing


async def test_states_counts_and_files_as_seen_in_the_wild() -> None:
    with Simulator(batch_zero_counts=True, batch_mixed_case=True, batch_rate_null_output=1.0) as simulator:
        async with sdk(simulator) as client:
            batch = await ended(client, await create(client, [line("a"), line("b", "other")]))
    assert (batch.status, batch.output_file_id) == ("COMPLETED", None)
    assert batch.request_counts.model_dump() == {"total": 0, "completed": 0, "failed": 0}
    assert simulator.ledger.billed == 2


async def test_a_lost_response_leaves_the_batch_in_the_list_newest_first() -> None:
    with Simulator(batch_rate_lost_create=1.0) as simulator:
        async with sdk(simulator) as client:
            for job in ("first", "second"):
                with pytest.raises(openai.APIConnectionError):
                    await create(client, [line("a")], job=job)
            page = await client.batches.list(limit=1)
            found = [batch async for batch in page]
    assert [batch.metadata["job"] for batch in found] == ["second", "first"]


async def test_a_lost_upload_leaves_the_file_in_the_list() -> None:
    with Simulator(batch_rate_lost_upload=1.0) as simulator:
        async with sdk(simulator) as client:
            with pytest.raises(openai.APIConnectionError):
                await create(client, [line("a")])
            assert [file.filename async for file in await client.files.list()] == ["requests.jsonl"]


async def test_a_server_without_a_list_says_so() -> None:
    with Simulator(batch_list=False) as simulator:
        async with sdk(simulator) as client:
            with pytest.raises(openai.NotFoundError):
                await client.batches.list()


async def test_a_batch_needs_a_file_and_a_key() -> None:
    with Simulator() as simulator:
        async with sdk(simulator) as client:
            with pytest.raises(openai.BadRequestError, match="no file"):
                await client.batches.create(
                    input_file_id="file-0", endpoint="/v1/chat/completions", completion_window="24h"
                )
    with Simulator(api_key="right") as simulator:
        async with sdk(simulator) as client:
            with pytest.raises(openai.AuthenticationError):
                await client.batches.list()


async def test_responses_can_be_scripted() -> None:
    with Simulator() as simulator:
        simulator.reply_to_batches_with(error_reply(429, "rate_limit_exceeded"))
        async with sdk(simulator) as client:
            with pytest.raises(openai.RateLimitError):
                await client.batches.list()
            assert [batch async for batch in await client.batches.list()] == []
