"""Each kind of output, in each mode, through an endpoint that takes all of them or fewer."""

import logging
from typing import Any

import pytest
from pydantic import BaseModel

from kaizen_batch import BatchProcessorAgent, SignatureError
from kaizen_batch.results import BatchResult
from kaizen_batch.simulator import Simulator
from kaizen_batch.simulator.settings import Reply, error_reply
from tests.signature.models_of_tests import MODELS, NOT_STRICT, Maps, One, Pet

pytestmark = pytest.mark.enable_socket
MODES = ["auto", "strict", "json_object", "prompt"]


async def run(server: Simulator, kind: type[BaseModel], items: list[str], **options: Any) -> BatchResult:
    given = {"retry": {"wait_initial": 0.001, "wait_max": 0.002}, "model": "m", **options}
    return await BatchProcessorAgent(base_url=server.base_url, signature=kind, **given).run_batch(items)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("model", MODELS)
async def test_every_model_in_every_mode(model: type[BaseModel], mode: str) -> None:
    with Simulator() as server:
        if mode == "strict" and model in NOT_STRICT:
            with pytest.raises(SignatureError, match='structured="strict" is not possible'):
                await run(server, model, ["a"], structured=mode)
            assert server.ledger.calls == 0
            return
        batch = await run(server, model, ["a", "red"], structured=mode)
        assert [result["error"] for result in batch.results] == [None, None]
        assert server.ledger.calls == 2, "no call was refused, and no answer asked again"
        for result in batch.results:
            fields = {name: result[name] for name in model.model_fields}
            assert model.model_validate(fields).model_dump(mode="json") == fields


@pytest.mark.parametrize("think", ["", "inline", "field"])
@pytest.mark.parametrize("structured", ["all", "json_object", "none", "ignored"])
@pytest.mark.parametrize("model", [Pet, Maps])
async def test_no_row_fails_because_of_what_an_endpoint_takes(
    model: type[BaseModel], structured: str, think: str
) -> None:
    with Simulator(structured=structured, think=think, latency_s=0.001) as server:
        batch = await run(server, model, list(map(str, range(60))), max_concurrent=4)
        calls = server.ledger.calls
        last = server.bodies[-1]
    if structured == "ignored":  # noticed after ten answers; the calls under way then fail too
        assert 30 <= batch.summary.ok < 60 and "response_format" not in last
        return
    assert batch.summary.ok == 60
    assert calls <= 60 + {"all": 0, "json_object": 4, "none": 8}[structured]
    assert ("response_format" in last) is (structured != "none")


async def test_what_was_learned_holds_for_the_next_run_and_no_other_model() -> None:
    with Simulator(structured="none") as server:
        agent = BatchProcessorAgent(base_url=server.base_url, signature=Pet, model="m", max_concurrent=1)
        await agent.run_batch(["a"])
        await agent.run_batch(["b", "c"])
        assert [entry.status for entry in server.ledger.entries] == [400, 400, 200, 200, 200]
        await run(server, Pet, ["a"], model="n", max_concurrent=1)
        assert [entry.status for entry in server.ledger.entries[5:]] == [400, 400, 200]


async def test_the_default_model_works_where_it_takes_no_schema() -> None:
    refusal = "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model."
    with Simulator() as server:
        server.reply_with(error_reply(400, None, refusal))
        agent = BatchProcessorAgent(base_url=server.base_url, signature=Pet)
        [result] = await agent.process_batch(["x"])
    assert result["status"] == "ok" and result["answered_by"] == "gpt-3.5-turbo"


@pytest.mark.parametrize(
    ("refusal", "next_format"),
    [
        ("Invalid schema for response_format 'Pet': 'oneOf' is not permitted.", "json_schema"),
        ("This response_format type is unavailable now", "json_object"),
        ("This model does not support response format `json_schema`.", "json_object"),
        ("Structured outputs are not enabled for this deployment", "json_object"),
        ("body.response_format.json_schema: Extra inputs are not permitted", "json_schema"),
    ],
)
async def test_the_words_of_a_refusal_say_what_to_try_next(refusal: str, next_format: str) -> None:
    with Simulator() as server:
        server.reply_with(error_reply(400, None, refusal))
        assert (await run(server, Pet, ["x"])).summary.ok == 1
        [_, body] = server.bodies
    assert body["response_format"]["type"] == next_format  # type: ignore[index]


@pytest.mark.parametrize("mode", ["strict", "json_object"])
async def test_a_mode_that_was_chosen_is_kept_and_its_refusal_ends_the_run(mode: str) -> None:
    with Simulator(structured="none") as server:
        batch = await run(server, Pet, list(map(str, range(50))), structured=mode, max_concurrent=1)
        assert server.ledger.calls == 3
    assert batch.summary.stopped is not None and 'set structured="auto"' in batch.summary.stopped


async def test_an_endpoint_that_ignores_the_schema_is_noticed_after_ten_answers(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def words(finish: str) -> Reply:
        message = {"role": "assistant", "content": "Well, that depends on many things"}
        return Reply(200, {"choices": [{"index": 0, "finish_reason": finish, "message": message}], "model": "m"})

    with Simulator() as server, caplog.at_level(logging.WARNING):
        server.reply_with(*[words("stop"), words("length")] * 6)
        batch = await run(server, One, list(map(str, range(20))), max_concurrent=1, max_reasks=0)
    errors = [result["error"]["message"] for result in batch.results if result["error"]]
    assert len(errors) == 12 and batch.summary.ok == 8
    assert "seems to ignore the schema; the schema is in the prompt from now on" in errors[-1]
    assert [each for each in caplog.messages if "10 answers in a row were no JSON" in each]


async def test_one_text_of_a_model_is_sent_as_json_and_of_a_signature_as_text() -> None:
    with Simulator() as server:
        batch = await run(server, One, ["x"])
        assert "response_format" in server.bodies[0]  # type: ignore[operator]
    assert batch.results[0]["only"] == "x"
