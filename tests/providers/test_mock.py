"""The provider in process: the same answers every time, and failures on demand."""

from typing import Any

import pytest

from kaizen_batch.errors import ConfigError, NoAnswerError, ProviderError, ServerError, ThrottledError
from kaizen_batch.providers import MockProvider, Request

REQUEST = Request(model="m", messages=[{"role": "user", "content": "hello"}])


async def test_the_same_question_has_the_same_answer() -> None:
    first, second = await MockProvider().complete(REQUEST), await MockProvider().complete(REQUEST)
    assert first == second
    assert first.text == "mock answer to: hello"
    assert first.usage is not None


@pytest.mark.parametrize(
    ("kind", "error"), [(429, ThrottledError), ("429", ThrottledError), (500, ServerError), ("torn", NoAnswerError)]
)
async def test_a_failure_that_was_asked_for(kind: int | str, error: type[ProviderError]) -> None:
    provider = MockProvider(failures={kind: 1.0})
    with pytest.raises(error):
        await provider.complete(REQUEST)
    assert (provider.calls, provider.in_flight, provider.peak) == (1, 0, 1)


@pytest.mark.parametrize(
    "options",
    [
        {"latency_s": -1},
        {"latency_sigma": -1},
        {"failures": {200: 0.5}},
        {"failures": {"x": 1}},
        {"failures": {429: 2}},
    ],
)
def test_a_bad_option_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        MockProvider(**options)


async def test_an_answer_of_one_s_own() -> None:
    assert (await MockProvider(answer=lambda request: request.prompt.upper()).complete(REQUEST)).text == "HELLO"
