"""Calls through the official SDK: answers, errors and timeouts as those of the built-in client."""

import pytest

from kaizen_batch import NoAnswerError
from kaizen_batch.providers.chat_responses import HttpResponse
from kaizen_batch.providers.http.base import Target
from kaizen_batch.providers.http.sdk_client import SdkTransport
from kaizen_batch.simulator import Simulator
from kaizen_batch.simulator.settings import TORN, error_reply

BODY = b'{"model": "m", "messages": [{"role": "user", "content": "hello"}]}'


def kept(response: HttpResponse, sent: bytes) -> HttpResponse:
    return response


async def post(base_url: str, timeout_s: float | None = 20.0) -> HttpResponse:
    transport = SdkTransport(Target(base_url, "sk-test", timeout_s))
    try:
        return await transport.post(BODY, kept)
    finally:
        await transport.close()


async def test_a_call_is_answered(simulator: Simulator) -> None:
    response = await post(simulator.base_url)
    assert response.status == 200
    assert b"mock answer to: hello" in response.body
    assert simulator.ledger.calls == 1


async def test_an_error_status_is_a_response_and_is_not_retried(simulator: Simulator) -> None:
    simulator.reply_with(error_reply(500, "server_error").with_headers({"retry-after": "3"}))
    response = await post(simulator.base_url)
    assert (response.status, response.headers["retry-after"]) == (500, "3")
    assert simulator.ledger.calls == 1


async def test_a_broken_connection_may_be_billed(simulator: Simulator) -> None:
    simulator.reply_with(TORN)
    with pytest.raises(NoAnswerError) as caught:
        await post(simulator.base_url)
    assert caught.value.may_be_billed


async def test_a_refused_connection_is_not_billed() -> None:
    with Simulator() as simulator:
        url = simulator.base_url
    with pytest.raises(NoAnswerError) as caught:
        await post(url)
    assert not caught.value.may_be_billed


async def test_a_call_that_takes_too_long_is_a_timeout() -> None:
    late = pytest.raises(NoAnswerError, match=r"no answer within 0\.2 s")
    with Simulator(latency_s=30.0) as simulator, late as caught:
        await post(simulator.base_url, 0.2)
    assert caught.value.code == "timeout"
