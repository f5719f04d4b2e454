"""Several endpoints as a value of `base_url`: what is allowed, and what each mistake says."""

from typing import Any

import pytest

from kaizen_batch import BatchConfig, ConfigError
from kaizen_batch.config.endpoints import Endpoint, checked_base_url, first_url

A, B = "http://a:8000/v1", "http://b:8000/v1"


def config(base_url: Any, **options: Any) -> BatchConfig:
    return BatchConfig(base_url=base_url, endpoint_name="ours", api_key="k", **options)


def test_a_list_of_one_plain_url_is_that_url() -> None:
    assert checked_base_url([f"{A}/"]) == A
    assert config([A]).base_url == A


def test_several_have_their_weights_and_limits() -> None:
    several = config([A, {"url": B, "weight": 2, "requests_per_minute": 60, "max_concurrent": 4}], max_concurrent=50)
    assert several.base_url == (Endpoint(url=A), Endpoint(url=B, weight=2, requests_per_minute=60, max_concurrent=4))
    assert several.url == first_url(several.base_url) == A
    one, other = several.endpoint_configs()
    assert (one.base_url, one.max_concurrent, one.requests_per_minute) == (A, 50, None)
    assert (other.base_url, other.max_concurrent, other.requests_per_minute) == (B, 4, 60)


def test_the_limits_of_the_run_are_not_those_of_each_endpoint() -> None:
    each = config([A, B], requests_per_minute=100, budget_usd=1.0, price={"input": 1, "output": 1}).endpoint_configs()
    assert [(one.requests_per_minute, one.budget_usd) for one in each] == [(None, None), (None, None)]


def test_an_endpoint_may_have_a_key_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY_OF_B", "sk-b")
    keys = [each.api_key for each in config([A, {"url": B, "api_key_env": "KEY_OF_B"}]).endpoint_configs()]
    assert [key.get_secret_value() if key else None for key in keys] == ["k", "sk-b"]
    monkeypatch.delenv("KEY_OF_B")
    assert config([A, {"url": B, "api_key_env": "KEY_OF_B"}]).endpoint_configs()[1].api_key is None


def test_several_need_a_name_and_the_error_proposes_the_first() -> None:
    with pytest.raises(ConfigError, match=f"pass endpoint_name='{A}'.*keeps the answers of earlier runs") as caught:
        BatchConfig(base_url=[A, B], api_key="k")
    assert "given" not in caught.value.message


def test_a_fallback_at_the_same_endpoints_keeps_their_name() -> None:
    [fallback] = config([A, B], fallbacks=["larger"]).fallback_configs()
    assert (fallback.endpoint_name, len(fallback.endpoint_configs())) == ("ours", 2)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "must name at least one endpoint"),
        (7, "must be a URL such as .* or a list"),
        ([A, 7], "must list URLs, or dicts that have a 'url'"),
        ([{"weight": 2}], "must list URLs, or dicts that have a 'url'"),
        ([A, "b:8000"], "must be a URL such as"),
        ([A, f"{A}/"], "names the endpoint http://a:8000/v1 twice; to send it more calls, give it a weight"),
        ([A, {"url": B, "weigth": 2}], "unknown option 'weigth': did you mean 'weight'"),
        ([A, {"url": B, "weight": 0}], "wrong 'weight': Input should be greater than 0"),
        ([A, {"url": B, "max_concurrent": 0}], "wrong 'max_concurrent'"),
        ([A, {"url": B, "api_key": "sk-secret"}], "name an environment variable that holds it as 'api_key_env'"),
        ([A, "http://user:sk-secret@b/v1"], "must not contain a user name or password"),
    ],
)
def test_a_mistake_says_what_is_allowed(given: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        config(given)
    assert "sk-secret" not in caught.value.message
