"""The options of a batch: defaults, rejected values, and that the key appears nowhere."""

import logging
import pickle
import traceback
from typing import Any

import pytest
from pydantic import ValidationError

from kaizen_batch.config import REDACTED, BatchConfig
from kaizen_batch.errors import ConfigError
from kaizen_batch.limits.retries import RetryPolicy

SECRET = "sk-secret-4711"


def refusal(**options: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        BatchConfig(**options)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("llm_provider", "openai"),
        ("model", "gpt-3.5-turbo"),
        ("temperature", 0.1),
        ("max_tokens", 200),
        ("max_concurrent", 10),
    ],
)
def test_the_five_fields_have_their_defaults(name: str, value: Any) -> None:
    assert getattr(BatchConfig(), name) == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("api_key", None),
        ("base_url", None),
        ("timeout_s", 120.0),
        ("system_prompt", None),
        ("on_error", "collect"),
        ("max_reasks", 1),
        ("retry", RetryPolicy()),
        ("window", None),
        ("provider_options", {}),
    ],
)
def test_the_other_options_have_their_defaults(name: str, value: Any) -> None:
    assert getattr(BatchConfig(), name) == value


@pytest.mark.parametrize("name", BatchConfig.model_fields)
def test_no_option_can_be_changed_afterwards(name: str) -> None:
    with pytest.raises(ValidationError):
        setattr(BatchConfig(), name, None)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", None),
        ("temperature", 0),
        ("temperature", 2),
        ("max_tokens", None),
        ("max_tokens", 1),
        ("max_concurrent", 1),
        ("max_concurrent", 100_000),
        ("max_reasks", 0),
        ("window", 1),
        ("on_error", "raise"),
        ("llm_provider", "my_package:Provider"),
    ],
)
def test_a_value_within_bounds_is_accepted(name: str, value: Any) -> None:
    assert getattr(BatchConfig(**{name: value}), name) == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("llm_provider", ""),
        ("llm_provider", None),
        ("model", ""),
        ("model", 4),
        ("temperature", -0.1),
        ("temperature", 2.1),
        ("temperature", "warm"),
        ("temperature", float("nan")),
        ("max_tokens", 0),
        ("max_tokens", 1.5),
        ("max_concurrent", 0),
        ("max_concurrent", -1),
        ("max_concurrent", 100_001),
        ("max_concurrent", "many"),
        ("max_concurrent", None),
        ("base_url", 7),
        ("timeout_s", 0),
        ("timeout_s", float("inf")),
        ("timeout_s", float("nan")),
        ("system_prompt", 7),
        ("on_error", "ignore"),
        ("max_reasks", -1),
        ("max_reasks", 21),
        ("retry", "often"),
        ("retry", None),
        ("window", 0),
    ],
)
def test_an_invalid_option_names_itself_and_shows_what_was_given(name: str, value: Any) -> None:
    message = refusal(**{name: value})
    assert f"option {name!r} is invalid" in message
    assert f"given: {value!r}" in message


@pytest.mark.parametrize(("name", "value"), [("api_key", 7), ("provider_options", ["sk-secret-4711"])])
def test_an_option_that_may_hold_a_secret_names_itself_and_shows_nothing(name: str, value: Any) -> None:
    message = refusal(**{name: value})
    assert f"option {name!r} is invalid" in message
    assert "given" not in message


def test_several_invalid_options_are_all_named() -> None:
    message = refusal(max_concurrent=0, temperature=9, model="")
    assert all(repr(name) in message for name in ("max_concurrent", "temperature", "model"))


def test_a_long_value_is_cut_in_the_message() -> None:
    assert len(refusal(on_error="x" * 10_000)) < 300


def test_a_config_error_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="max_concurrent"):
        BatchConfig(max_concurrent=0)


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("max_concurent", "max_concurrent"),
        ("temprature", "temperature"),
        ("apikey", "api_key"),
        ("baseurl", "base_url"),
        ("maxtokens", "max_tokens"),
        ("timeout", "timeout_s"),
    ],
)
def test_an_unknown_option_is_named_with_the_closest_one(wrong: str, meant: str) -> None:
    message = refusal(**{wrong: 1})
    assert f"unknown option {wrong!r}: did you mean {meant!r}?" in message


def test_an_unknown_option_without_a_close_one_lists_the_allowed_ones() -> None:
    message = refusal(zzz=1)
    assert "unknown option 'zzz'" in message
    assert "did you mean" not in message
    assert all(name in message for name in BatchConfig.model_fields)


def test_the_value_of_an_unknown_option_is_not_shown() -> None:
    assert SECRET not in refusal(apikey=SECRET)


def test_key_and_endpoint_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:8000/v1")
    config = BatchConfig()
    assert config.api_key is not None
    assert config.api_key.get_secret_value() == SECRET
    assert config.base_url == "http://127.0.0.1:8000/v1"


def test_an_option_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-other")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:8000/v1")
    config = BatchConfig(api_key=SECRET, base_url="http://127.0.0.1:9000/v1")
    assert config.api_key is not None
    assert config.api_key.get_secret_value() == SECRET
    assert config.base_url == "http://127.0.0.1:9000/v1"


def test_an_empty_environment_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "")
    monkeypatch.setenv("OPENAI_BASE_URL", "")
    config = BatchConfig()
    assert config.api_key is None
    assert config.base_url is None


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "ftp://host/v1", "http://user:pass@host/v1"])
def test_an_endpoint_from_the_environment_is_checked_too(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    assert "base_url" in refusal() or "OPENAI_BASE_URL" in refusal()


def test_an_endpoint_from_the_environment_loses_its_last_slash_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:8000/v1/")
    assert BatchConfig().base_url == "http://127.0.0.1:8000/v1"


@pytest.mark.parametrize("from_environment", [False, True])
def test_the_key_is_in_no_text_and_no_dump(from_environment: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if from_environment:
        monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    config = BatchConfig() if from_environment else BatchConfig(api_key=SECRET)
    shown = [
        repr(config),
        str(config),
        f"{config}",
        repr(config.model_dump()),
        repr(config.model_dump(mode="json")),
        config.model_dump_json(),
        repr(config.api_key),
        repr({"config": config}),
    ]
    assert not [text for text in shown if SECRET in text]


def test_the_dump_has_no_key_at_all() -> None:
    assert "api_key" not in BatchConfig(api_key=SECRET).model_dump()


def test_a_secret_among_the_provider_options_is_in_no_repr() -> None:
    config = BatchConfig(provider_options={"account": SECRET})
    assert SECRET not in repr(config) + str(config)


@pytest.mark.parametrize("name", ["api_key", "base_url", "token", "secret"])
def test_a_secret_is_rejected_in_the_options_that_a_serialized_workflow_contains(name: str) -> None:
    with pytest.raises(ConfigError, match=f"must not hold '{name}'") as caught:
        BatchConfig(provider_options={name: SECRET})
    assert SECRET not in str(caught.value)


def test_a_url_with_a_query_is_rejected_without_showing_it() -> None:
    with pytest.raises(ConfigError, match="must not contain a query") as caught:
        BatchConfig(base_url=f"https://host/v1?key={SECRET}")
    assert SECRET not in str(caught.value)


def test_a_key_read_from_a_file_loses_its_line_break() -> None:
    key = BatchConfig(api_key=f"{SECRET}\n").api_key
    assert key is not None and key.get_secret_value() == SECRET


@pytest.mark.parametrize("key", ["sk-\u2026abc", "two words", "two\nlines"])
def test_a_key_that_is_not_a_valid_header_is_rejected_without_showing_it(key: str) -> None:
    with pytest.raises(ConfigError, match="'api_key' is invalid: must be plain ASCII") as caught:
        BatchConfig(api_key=key)
    assert key not in str(caught.value)


@pytest.mark.parametrize(
    "options",
    [
        {"api_key": [SECRET]},
        {"api_key": {"key": SECRET}},
        {"api_key": SECRET.encode() + b"\xff"},
        {"api_key": SECRET, "max_concurrent": 0},
        {"api_key": SECRET, "zzz": 1},
        {"api_key": SECRET, "retry": {"attempts": 0}},
        {"api_key": SECRET, "base_url": "nowhere"},
        {"api_key": SECRET, "model": REDACTED},
        {"provider_options": SECRET},
        {"provider_options": {SECRET.encode(): 1, 7: SECRET}},
        {"base_url": f"http://user:{SECRET}@host/v1"},
        {"base_url": f"ftp://{SECRET}@host/v1"},
    ],
)
def test_the_key_is_in_no_error_and_no_traceback(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        BatchConfig(**options)
    error = caught.value
    assert SECRET not in str(error) + repr(error) + error.message
    assert SECRET not in "".join(traceback.format_exception(error))
    assert SECRET not in str(error.__context__)


def test_the_key_is_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("test").info("config %s %r", *[BatchConfig(api_key=SECRET)] * 2)
    assert SECRET not in caplog.text


def test_the_key_itself_is_kept_byte_for_byte() -> None:
    key = BatchConfig(api_key=SECRET).api_key
    assert key is not None
    assert key.get_secret_value() == SECRET


@pytest.mark.parametrize("name", ["api_key", "base_url", "model", "system_prompt", "llm_provider"])
def test_the_placeholder_of_a_serialized_workflow_is_refused(name: str) -> None:
    message = refusal(**{name: REDACTED})
    assert f"option {name!r} is '***REDACTED***'" in message


@pytest.mark.parametrize(("name", "variable"), [("api_key", "OPENAI_API_KEY"), ("base_url", "OPENAI_BASE_URL")])
def test_the_placeholder_error_names_the_variable_to_set(name: str, variable: str) -> None:
    assert variable in refusal(**{name: REDACTED})


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://api.openai.com/v1", "https://api.openai.com/v1"),
        ("http://127.0.0.1:8000/v1/", "http://127.0.0.1:8000/v1"),
        ("http://localhost", "http://localhost"),
        ("http://[::1]:8000/v1//", "http://[::1]:8000/v1"),
    ],
)
def test_a_base_url_is_kept_without_its_last_slash(url: str, kept: str) -> None:
    assert BatchConfig(base_url=url).base_url == kept


@pytest.mark.parametrize(
    "url", ["", "localhost:8000", "ftp://host/v1", "http://", "/v1", "http://[broken", "https:///v1"]
)
def test_a_base_url_that_is_not_a_url_is_rejected(url: str) -> None:
    assert "option 'base_url' is invalid" in refusal(base_url=url)


@pytest.mark.parametrize("url", ["http://user:pw4711@host/v1", "http://user@host/v1", "http://:pw4711@host/v1"])
def test_a_base_url_with_credentials_is_refused_without_quoting_them(url: str) -> None:
    message = refusal(base_url=url)
    assert "must not contain a user name or password" in message
    assert "pw4711" not in message


def test_with_options_changes_only_the_given_options() -> None:
    config = BatchConfig(api_key=SECRET, model="m", retry={"attempts": 2}, provider_options={"seed": 1})
    other = config.with_options(max_concurrent=3)
    assert other.max_concurrent == 3
    assert other.with_options(max_concurrent=config.max_concurrent) == config
    assert other.api_key is not None
    assert other.api_key.get_secret_value() == SECRET


def test_with_options_does_not_change_the_original() -> None:
    config = BatchConfig()
    config.with_options(model="other")
    assert config.model == "gpt-3.5-turbo"


@pytest.mark.parametrize("options", [{"max_concurrent": 0}, {"max_concurent": 1}, {"api_key": REDACTED}])
def test_with_options_checks_like_a_new_one(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        BatchConfig().with_options(**options)


def test_a_config_survives_pickling() -> None:
    config = BatchConfig(api_key=SECRET, max_concurrent=3)
    assert pickle.loads(pickle.dumps(config)) == config


def test_the_five_options_of_a_model_can_be_given_by_position() -> None:
    config = BatchConfig("mock", "small", 0.5, 100, 3)
    assert (config.llm_provider, config.model, config.temperature, config.max_tokens, config.max_concurrent) == (
        "mock", "small", 0.5, 100, 3,
    )  # fmt: skip
    assert BatchConfig("mock", max_concurrent=3) == BatchConfig(llm_provider="mock", max_concurrent=3)


def test_what_is_given_by_position_is_checked() -> None:
    with pytest.raises(ConfigError, match="option 'temperature' is invalid"):
        BatchConfig("mock", "small", 3)
    with pytest.raises(ConfigError, match="option 'model' is given twice"):
        BatchConfig("mock", "small", model="large")
    with pytest.raises(ConfigError, match="by position; given: 6 values"):
        BatchConfig("mock", "small", 0.5, 100, 3, True)
