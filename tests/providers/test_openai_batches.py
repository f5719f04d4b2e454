"""OpenAI's batches over the simulator: what is sent, what is read, and what errors become."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from kaizen_batch import OpenAIProvider, Price
from kaizen_batch.config import BatchSettings
from kaizen_batch.errors import AuthenticationError, BadRequestError, NoAnswerError, ProviderError
from kaizen_batch.providers.batch import UNLISTED
from kaizen_batch.providers.http.base import Target
from kaizen_batch.providers.openai_batches import OpenAIBatches
from kaizen_batch.simulator import Simulator

KEY = bytes(range(32))
BODY = b'{"model":"gpt-4o-mini","messages":[{"role":"user","content":"h\\u00e9llo"}],"stream":false,"max_tokens":5}'


def api_of(simulator: Simulator, **settings: Any) -> OpenAIBatches:
    return OpenAIBatches(Target(simulator.base_url, "any"), BatchSettings(**settings))


async def uploaded(api: OpenAIBatches, folder: Path) -> str:
    path = folder / "in.jsonl"
    path.write_bytes(api.encoded(KEY, BODY))
    return await api.upload(path, "requests.jsonl")


def test_a_line_has_the_key_and_the_question_alone() -> None:
    api = OpenAIBatches(Target("https://api.openai.com/v1", "key"))
    line = json.loads(api.encoded(KEY, BODY))
    assert (line["custom_id"], line["method"], line["url"]) == (KEY.hex(), "POST", "/v1/chat/completions")
    assert line["body"] == {
        "model": "gpt-4o-mini", "messages": [{"role": "user", "content": "héllo"}], "max_tokens": 5,
    }  # fmt: skip
    azure = OpenAIBatches(Target("https://x.openai.azure.com/openai/v1", "key"), BatchSettings(model="mini-batch"))
    line = json.loads(azure.encoded(KEY, BODY))
    assert (line["url"], line["body"]["model"]) == ("/chat/completions", "mini-batch")


def test_the_price_is_that_of_the_list_or_a_share_or_given() -> None:
    openai = OpenAIBatches(Target("https://api.openai.com/v1", "key"))
    listed = openai.price("gpt-4o-mini", Price(9, 9))
    assert listed is not None and listed.input < 0.15
    assert openai.price("unheard-of", Price(4.0, 8.0)) == Price(2.0, 4.0)
    assert openai.price("unheard-of", None) is None
    own = OpenAIBatches(Target("http://127.0.0.1:1/v1", "key"))
    assert own.price("m", Price(4.0, 8.0)) == Price(4.0, 8.0), "without a known discount, none is assumed"
    given = OpenAIBatches(Target("http://127.0.0.1:1/v1", "key"), BatchSettings(price=Price(1, 1)))
    assert given.price("m", Price(4.0, 8.0)) == Price(1, 1)


async def test_from_the_upload_to_the_answer(tmp_path: Path) -> None:
    with Simulator() as simulator:
        async with api_of(simulator) as api:
            file = await uploaded(api, tmp_path)
            assert await api.find_upload("requests.jsonl") == file
            assert await api.find_upload("another.jsonl") is None
            made = await api.create(file, "intent-1")
            assert await api.find("intent-2", 0.0) is None
            found = await api.find("intent-1", 0.0)
            assert found is not None and found.id == made.id
            while not (made := await api.status(made.id)).has_ended:
                pass
            assert made.counts == {"total": 1, "completed": 1, "failed": 0}
            assert made.output_file is not None
            await api.download(made.output_file, tmp_path / "out.jsonl")
            outcome = api.read((tmp_path / "out.jsonl").read_bytes())
            await api.cancel(made.id)  # too late, which is fine
            await api.delete(file)
            await api.delete(file)
    assert outcome is not None and outcome.key == KEY
    assert outcome.completion is not None and outcome.completion.text == "mock answer to: héllo"
    assert not [name for name in os.listdir(tmp_path) if name.endswith(".part")]  # noqa: PTH208


def line_of(**more: Any) -> bytes:
    return json.dumps({"custom_id": KEY.hex(), **more}).encode()


@pytest.mark.parametrize(
    ("line", "code", "retryable"),
    [
        (line_of(response=None, error={"code": "batch_expired", "message": "late"}), "batch_expired", True),
        (line_of(response=None), "batch_failed", True),
        (line_of(response={"status_code": 500, "body": {"error": {"message": "x"}}}), "server_error", True),
        (line_of(response={"status_code": 400, "body": {"error": {"code": "bad_thing"}}}), "bad_thing", False),
        (line_of(response={"status_code": 200, "body": {"error": {"code": 429}}}), "rate_limit_exceeded", True),
        (line_of(response={"body": None}), "server_error", True),
    ],
)
def test_a_line_without_an_answer_is_the_error_that_a_live_call_would_be(
    line: bytes, code: str, retryable: bool
) -> None:
    outcome = OpenAIBatches(Target("http://127.0.0.1:1/v1", "key")).read(line)
    assert outcome is not None and outcome.completion is None and outcome.error is not None
    assert (outcome.error.code, outcome.error.retryable) == (code, retryable)


@pytest.mark.parametrize("line", [b"", b"{", b"[]", b"null", b'{"custom_id": 1}', b'{"custom_id": "row-1"}'])
def test_a_line_that_names_none_of_our_requests_is_none(line: bytes) -> None:
    assert OpenAIBatches(Target("http://127.0.0.1:1/v1", "key")).read(line) is None


async def test_create_is_sent_once_and_reads_may_be_repeated(tmp_path: Path) -> None:
    with Simulator(batch_rate_lost_create=1.0) as simulator:
        async with api_of(simulator) as api:
            file = await uploaded(api, tmp_path)
            with pytest.raises(NoAnswerError):
                await api.create(file, "intent-1")
            assert (await api.find("intent-1", 0.0)) is not None
            page = await api._client.batches.list()
            assert len(page.data) == 1


async def test_errors_are_ours_and_hold_no_key(tmp_path: Path) -> None:
    with Simulator(api_key="right") as simulator:
        async with api_of(simulator) as api:
            with pytest.raises(AuthenticationError):
                await uploaded(api, tmp_path)
    with Simulator(batch_list=False) as simulator:
        async with api_of(simulator) as api:
            with pytest.raises(BadRequestError, match="no file"):
                await api.create("file-0", "intent")
            with pytest.raises(ProviderError) as caught:
                await api.find("intent", 0.0)
    assert caught.value.code == UNLISTED


def test_the_provider_has_batches() -> None:
    provider = OpenAIProvider(api_key="key")
    assert isinstance(provider.batches(BatchSettings()), OpenAIBatches)
