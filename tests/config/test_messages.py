"""The text of a ConfigError: the option, the value given and what is allowed, and never a secret."""

import pytest

from kaizen_batch import BatchConfig, ConfigError, RunConfig
from kaizen_batch.config.messages import REDACTED, redacted


def message(**options: object) -> str:
    with pytest.raises(ConfigError) as caught:
        BatchConfig(**options)  # type: ignore[arg-type]
    return caught.value.message


def test_a_wrong_value_is_shown_with_the_option_and_the_range() -> None:
    assert message(max_concurrent=0).startswith("option 'max_concurrent' is invalid: ")
    assert message(max_concurrent=0).endswith("; given: 0")
    assert "greater than or equal to 1" in message(max_concurrent=0)


def test_an_option_of_a_part_is_named_by_its_path() -> None:
    assert "'retry.attempts'" in message(retry={"attempts": 0})
    assert "unknown option 'retry.atempts': did you mean 'retry.attempts'" in message(retry={"atempts": 1})


def test_several_problems_are_one_message() -> None:
    text = message(max_concurrent=0, temperature=9)
    assert "'max_concurrent'" in text and "; option 'temperature'" in text


@pytest.mark.parametrize(
    "options",
    [
        {"api_key": "sk secret"},
        {"base_url": "https://user:secret@a.example"},
        {"base_url": "https://a.example?key=secret"},
        {"provider_options": {"token": "secret"}},
    ],
)
def test_no_message_shows_a_secret(options: dict[str, object]) -> None:
    assert "secret'" not in message(**options).replace("a secret of", "")
    assert "sk secret" not in message(**options)


def test_a_long_value_is_cut() -> None:
    assert len(message(on_error="x" * 1_000)) < 300


def test_the_placeholder_names_the_variable_to_set() -> None:
    assert "set OPENAI_API_KEY in the environment" in redacted("api_key")
    assert "set OPENAI_BASE_URL" in message(base_url=REDACTED)


def test_a_value_from_the_environment_is_named_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "not a url")
    assert message().endswith("; given: the value from the environment")


def test_an_unknown_option_lists_those_that_exist() -> None:
    with pytest.raises(ConfigError, match="unknown option 'nothing_like_it': allowed are max_concurrent, "):
        RunConfig(nothing_like_it=1)  # type: ignore[call-arg]
