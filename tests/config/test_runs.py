"""The options of a run: its retries, and how the options of two configs are laid over each other."""

from typing import Any

import pytest

from kaizen_batch.config import BatchConfig, RunConfig
from kaizen_batch.errors import ConfigError
from kaizen_batch.limits.rate import RateLimit
from kaizen_batch.limits.retries import RetryPolicy


def refusal(**options: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        RunConfig(**options)
    return str(caught.value)


def test_retry_may_be_a_dict() -> None:
    assert RunConfig(retry={"attempts": 2, "wait_jitter": False}).retry == RetryPolicy(attempts=2, wait_jitter=False)


def test_retry_may_be_a_policy() -> None:
    policy = RetryPolicy(attempts=2)
    assert RunConfig(retry=policy).retry == policy


def test_an_invalid_option_of_retry_names_its_path() -> None:
    message = refusal(retry={"attempts": 0})
    assert "option 'retry.attempts' is invalid" in message
    assert "given: 0" in message


def test_an_unknown_option_of_retry_is_named_with_the_closest_one() -> None:
    assert "unknown option 'retry.atempts': did you mean 'retry.attempts'?" in refusal(retry={"atempts": 3})


def test_only_the_options_that_were_set_win_over_those_of_the_base() -> None:
    base = BatchConfig(timeout_s=9, max_reasks=3, labels={"team": "tax"})
    config = RunConfig(timeout_s=5, max_concurrent=10).over(base)
    assert (config.timeout_s, config.max_reasks, config.max_concurrent) == (5, 3, 10)
    assert RunConfig(max_reasks=0).over(config).labels == {"team": "tax"}
    assert RunConfig(max_reasks=0).over(None) == RunConfig(max_reasks=0)


def test_another_mode_leaves_the_other_options() -> None:
    config = RunConfig(max_concurrent=3).with_mode("batch")
    assert (config.mode, config.max_concurrent) == ("batch", 3)


def test_the_rate_limits_that_are_set_are_listed() -> None:
    config = RunConfig(requests_per_second=2, tokens_per_minute=600)
    assert config.rate_limits == [RateLimit("requests", 2, 1.0), RateLimit("tokens", 600, 60.0)]
