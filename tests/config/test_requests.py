"""Parameters and headers of a config: what is allowed, what is stored, what is sent."""

import math
from typing import Any

import pytest
from pydantic import SecretStr

from kaizen_batch import BatchConfig, ConfigError
from kaizen_batch.config.requests import checked_headers, sent_headers, stored_headers

SECRET = "s3cret-value"


def config(**options: Any) -> BatchConfig:
    return BatchConfig(llm_provider="mock", **options)


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"model": "x"}, "use the option model"),
        ({"max_completion_tokens": 5}, "use the option max_tokens"),
        ({"response_format": {}}, "use a signature"),
        ({"stream": True}, "answers are read whole"),
        ({"n": 2}, "one answer is read"),
        ({"extra_body": {}}, "write its fields as parameters"),
        ({"x": math.nan}, "cannot be written as JSON"),
        ({"x": object()}, "cannot be written as JSON"),
        ({"x": {1: 2}}, "keys are not all texts"),
        ({1: 2}, "names that are texts"),
        ([("a", 1)], "must be a dict"),
    ],
)
def test_a_wrong_parameter_is_refused(parameters: Any, said: str) -> None:
    with pytest.raises(ConfigError, match="parameters") as caught:
        config(parameters=parameters)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({"X Y": SECRET}, "names that HTTP allows"),
        ({"Host": SECRET}, "the HTTP client sets it"),
        ({"X-A": f"{SECRET}\r\nX-B: 1"}, "without line breaks"),
        ({"X-A": f"é{SECRET}"}, "plain ASCII"),
        ({"X-A": 5}, "must hold texts"),
        ({"X-A": f"{SECRET}${{NAME}}{SECRET}"}, "must name a variable"),
        ({"X-A": SECRET, "x-a": SECRET}, "each header once"),
        ({"X-A": "***REDACTED***"}, "was not stored"),
        ([SECRET], "must be a dict"),
    ],
)
def test_a_wrong_header_is_refused_without_its_value(headers: Any, said: str) -> None:
    with pytest.raises(ConfigError, match="headers") as caught:
        config(headers=headers)
    assert said in str(caught.value) and SECRET not in str(caught.value)


def test_a_literal_value_is_in_no_form_of_the_config() -> None:
    made = config(headers={"X-Own": SECRET, "X-Named": "Bearer ${TOKEN}"})
    assert made.headers["X-Own"].get_secret_value() == SECRET
    for text in (repr(made), str(made), made.model_dump_json(), str(made.model_dump())):
        assert SECRET not in text
    assert made.model_dump()["headers"] == {"X-Own": "***REDACTED***", "X-Named": "Bearer ${TOKEN}"}
    assert made.with_options(max_concurrent=2).headers == made.headers


def test_a_variable_is_read_when_it_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    headers = checked_headers({"X-Named": "Bearer ${TOKEN_X}", "X-Own": SecretStr("a")})
    monkeypatch.delenv("TOKEN_X", raising=False)
    with pytest.raises(ConfigError, match="TOKEN_X, which is not set"):
        sent_headers(headers)
    monkeypatch.setenv("TOKEN_X", "t\n\nu")
    with pytest.raises(ConfigError, match="plain ASCII"):
        sent_headers(headers)
    monkeypatch.setenv("TOKEN_X", "t")
    assert sent_headers(headers) == {"X-Named": "Bearer t", "X-Own": "a"}
    assert stored_headers(headers)["X-Named"] == "Bearer ${TOKEN_X}"


@pytest.mark.parametrize("name", ["temperature", "max_tokens"])
def test_the_word_none_leaves_an_option_out(name: str) -> None:
    assert getattr(config(**{name: "none"}), name) is None


def test_parameters_and_headers_stay_at_their_endpoint() -> None:
    own: dict[str, Any] = {"parameters": {"seed": 1}, "headers": {"X-A": SECRET}, "base_url": "http://a.example/v1"}
    there = {"model": "n", "base_url": "http://b.example/v1"}
    given = {**there, "headers": {"X-B": "${B}"}, "parameters": {"seed": 2}}
    made = BatchConfig(**own, fallbacks=("same", there, given, {"model": "o", "llm_provider": "mock"}))
    same, other, with_own, provider = made.fallback_configs()
    assert (same.parameters, same.headers) == (made.parameters, made.headers)
    assert not other.parameters and not other.headers and not provider.headers and not provider.parameters
    assert with_own.parameters == {"seed": 2} and list(with_own.headers) == ["X-B"]
    with pytest.raises(ConfigError, match="must not hold a literal header") as caught:
        BatchConfig(fallbacks=({"model": "n", "headers": {"X-A": SECRET}},))
    assert SECRET not in str(caught.value)
