"""ModelAgent and create_agent: the requests they make, and how answers are parsed."""

from typing import Any

import pytest
from pydantic import BaseModel

from kaizen_batch.agents import FunctionAgent, ModelAgent, as_agent, create_agent
from kaizen_batch.config import BatchConfig
from kaizen_batch.errors import (
    ConfigError,
    EmptyOutputError,
    InputError,
    InvalidOutputError,
    RefusedOutputError,
    ServerError,
    SignatureError,
    TruncatedOutputError,
)
from kaizen_batch.providers import Completion, MockProvider, OutputSchema, Provider
from kaizen_batch.signature import ProcessingSignature, Signature, as_signature
from tests.agents.asking import outputs_of

MOCK = BatchConfig(llm_provider="mock")


class Team(BaseModel):
    team: str
    sure: bool


async def double(number: int) -> int:
    return number * 2


def not_async(item: Any) -> Any:
    return item


def model_agent(config: BatchConfig, signature: Any = None, provider: Any = None) -> ModelAgent:
    agent = create_agent(config, signature, provider)
    assert isinstance(agent, ModelAgent)
    return agent


def test_an_agent_stays_as_it_is() -> None:
    agent = create_agent(MOCK)
    assert as_agent(agent) is agent


def test_a_config_makes_a_model_agent() -> None:
    agent = create_agent(MOCK)
    assert isinstance(agent, ModelAgent)
    assert isinstance(agent.provider, MockProvider)
    assert agent.signature is ProcessingSignature
    assert agent.output_fields == ("result",)


def test_a_provider_may_be_an_instance_or_a_class() -> None:
    provider = MockProvider()
    assert model_agent(MOCK, provider=provider).provider is provider
    agent = model_agent(MOCK.with_options(provider_options={"seed": 3}), provider=MockProvider)
    assert isinstance(agent.provider, MockProvider)


def test_a_function_stands_in_for_a_provider() -> None:
    assert isinstance(create_agent(MOCK, provider=double), FunctionAgent)


def test_a_pydantic_model_is_taken_as_the_signature() -> None:
    assert create_agent(MOCK, Team).output_fields == ("team", "sure")


def test_a_function_with_a_signature_is_refused() -> None:
    with pytest.raises(ConfigError, match="leave out signature"):
        create_agent(MOCK, Team, double)


def test_a_signature_that_is_none_is_refused() -> None:
    with pytest.raises(SignatureError):
        create_agent(MOCK, "text -> team")


def test_a_provider_that_is_not_async_is_refused() -> None:
    with pytest.raises(ConfigError, match="not async"):
        create_agent(MOCK, provider=not_async)


def test_openai_without_a_key_is_rejected_with_the_fix() -> None:
    with pytest.raises(ConfigError, match="OPENAI_API_KEY"):
        create_agent(BatchConfig())


@pytest.mark.parametrize("provider", [None, MockProvider])
def test_wrong_provider_options_are_a_config_error(provider: type[Provider] | None) -> None:
    config = MOCK.with_options(provider_options={"latency": 1})
    with pytest.raises(ConfigError, match="provider_options"):
        create_agent(config, provider=provider)


def test_the_request_carries_the_options_and_a_schema_where_there_is_one() -> None:
    config = BatchConfig(llm_provider="mock", model="m", temperature=None, max_tokens=7, system_prompt="Be brief.")
    request = create_agent(config, Team).prepare("Who?")
    assert (request.model, request.temperature, request.max_tokens) == ("m", None, 7)
    assert request.messages == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Who?"}]
    assert request.output == OutputSchema("Team", as_signature(Team).json_schema() or {})
    assert create_agent(config).prepare("Who?").output is None


def test_an_item_that_does_not_fit_the_signature_is_refused() -> None:
    with pytest.raises(InputError):
        create_agent(MOCK).prepare({"text": "x"})


@pytest.mark.parametrize(
    ("signature", "completion", "kind", "code"),
    [
        (None, Completion(text=None, refusal="no"), RefusedOutputError, "refusal"),
        (Team, Completion(text=None, refusal="no"), RefusedOutputError, "refusal"),
        (Team, Completion(text="{", refusal="no", finish_reason="length"), RefusedOutputError, "refusal"),
        (None, Completion(text=None, finish_reason="content_filter"), RefusedOutputError, "content_filter"),
        (None, Completion(text="half", finish_reason="content_filter"), RefusedOutputError, "content_filter"),
        (Team, Completion(text="{}", finish_reason="content_filter"), RefusedOutputError, "content_filter"),
        (Team, Completion(text='{"team": "a"', finish_reason="length"), TruncatedOutputError, "length"),
        (Team, Completion(text=None, finish_reason="length"), TruncatedOutputError, "length"),
        (None, Completion(text="", finish_reason="length"), TruncatedOutputError, "length"),
        (None, Completion(text=None, finish_reason="length"), TruncatedOutputError, "length"),
        (Team, Completion(text="purple"), InvalidOutputError, "invalid_output"),
        (Team, Completion(text=None), EmptyOutputError, "empty_output"),
        (None, Completion(text=" ", reasoning="hmm"), EmptyOutputError, "empty_output"),
        (None, Completion(text=None, finish_reason="tool_calls"), EmptyOutputError, "empty_output"),
        (None, Completion(text="half", error=ServerError("x")), ServerError, "server_error"),
    ],
)
def test_an_unusable_answer_says_why(
    signature: type[Signature] | None, completion: Completion, kind: type[Exception], code: str
) -> None:
    agent = create_agent(MOCK, signature)
    with pytest.raises(kind) as caught:
        agent.parse(agent.prepare("x"), completion)
    assert type(caught.value) is kind
    assert caught.value.code == code  # type: ignore[attr-defined]


@pytest.mark.parametrize("reason", ["stop", "length", None, "eos"])
def test_a_text_is_the_answer_whatever_ended_it(reason: str | None) -> None:
    agent = create_agent(MOCK)
    completion = Completion(text="half a sent", finish_reason=reason)
    assert agent.parse(agent.prepare("x"), completion) == {"result": "half a sent"}


def test_a_text_that_was_cut_off_fails_if_wanted() -> None:
    agent = create_agent(MOCK.with_options(on_truncated="fail", max_tokens=7))
    with pytest.raises(TruncatedOutputError, match="cut off at max_tokens=7"):
        agent.parse(agent.prepare("x"), Completion(text="half a sent", finish_reason="length"))


@pytest.mark.parametrize("text", [None, "", " \n"])
def test_an_empty_answer_is_kept_if_wanted(text: str | None) -> None:
    agent = create_agent(MOCK.with_options(on_empty="keep"))
    assert agent.parse(agent.prepare("x"), Completion(text=text)) == {"result": text or ""}


def test_a_schema_that_the_endpoint_ignores_is_named() -> None:
    agent = create_agent(MOCK, Team)
    with pytest.raises(TruncatedOutputError, match="ignore the JSON schema"):
        agent.parse(agent.prepare("x"), Completion(text="Well, the team", finish_reason="length"))


def test_a_cut_answer_names_max_tokens() -> None:
    agent = create_agent(MOCK.with_options(max_tokens=7), Team)
    with pytest.raises(TruncatedOutputError, match="max_tokens=7"):
        agent.parse(agent.prepare("x"), Completion(text="{", finish_reason="length"))


async def test_a_model_agent_answers_through_its_provider() -> None:
    provider = MockProvider(answer=lambda request: '{"team": "tech", "sure": true}')
    agent = create_agent(MOCK, Team, provider)
    async with agent.session():
        assert await outputs_of(agent, "Who?") == {"team": "tech", "sure": True}


@pytest.mark.parametrize("named", ["os.path:join", "tests.agents.asking:outputs_of"])
def test_a_fallback_that_is_no_model_is_an_error_of_the_config(named: str) -> None:
    with pytest.raises(ConfigError, match=f"a fallback is a model: llm_provider='{named}' names no Provider"):
        create_agent(MOCK.with_options(fallbacks=[{"llm_provider": named}]))
