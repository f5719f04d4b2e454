"""The x-ratelimit headers: what is understood, what is passed over, and the credit that follows from them."""

from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaizen_batch.limits.rate_limit_headers import (
    HeaderWindow,
    RateLimitHeaders,
    duration_s,
    read_rate_limit_headers,
)

OPENAI = {
    "x-ratelimit-limit-requests": "5000",
    "x-ratelimit-limit-tokens": "160000",
    "x-ratelimit-remaining-requests": "4999",
    "x-ratelimit-remaining-tokens": "159976",
    "x-ratelimit-reset-requests": "12ms",
    "x-ratelimit-reset-tokens": "9ms",
}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("12ms", 0.012),
        ("1s", 1.0),
        ("6m0s", 360.0),
        ("1h2m3.5s", 3723.5),
        ("1m0.5s", 60.5),
        ("250us", 250e-6),
        ("250µs", 250e-6),  # the micro sign
        ("250\u03bcs", 250e-6),  # the Greek letter
        ("3ns", 3e-9),
        (".5s", 0.5),
        ("1.s", 1.0),
        ("0s", 0.0),
        ("0", 0.0),
        ("59", 59.0),
        ("7.25", 7.25),
        (" 1s ", 1.0),
        ("24h", 86_400.0),
    ],
)
def test_a_duration_is_go_s_or_a_number_of_seconds(text: str, seconds: float) -> None:
    assert duration_s(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-1",
        "-1s",
        "s",
        "1 s",
        "1x",
        "1s!",
        "ms",
        ".",
        "1e3",
        "nan",
        "inf",
        "1_0",
        "٣s",
        "1700000000",
        "25h",
        "9" * 5000,
    ],
)
def test_anything_else_is_unknown(text: str) -> None:
    assert duration_s(text) is None


@given(st.text() | st.from_regex(r"[0-9hmsunµ.\-+ ]{0,60}"))
def test_no_text_breaks_the_parser(text: str) -> None:
    seconds = duration_s(text)
    assert seconds is None or 0 <= seconds <= 86_400


def test_the_headers_of_openai() -> None:
    assert read_rate_limit_headers(OPENAI) == RateLimitHeaders(
        HeaderWindow(5000, 4999, pytest.approx(0.012)), HeaderWindow(160_000, 159_976, pytest.approx(0.009))
    )


def test_azure_tells_the_remaining_only() -> None:
    said = read_rate_limit_headers(
        MappingProxyType({"x-ratelimit-remaining-tokens": "12", "x-ratelimit-reset-tokens": "7"})
    )
    assert said == RateLimitHeaders(tokens=HeaderWindow(None, 12, 7.0))


@pytest.mark.parametrize("value", ["-1", "", "many", "1.5", "1,000", "1_000", "٣", "1" * 30, "12, 12"])
def test_an_unknown_count_says_nothing(value: str) -> None:
    assert read_rate_limit_headers({"x-ratelimit-limit-tokens": value, "x-ratelimit-remaining-tokens": value}) is None


def test_a_window_of_no_size_says_nothing() -> None:
    assert read_rate_limit_headers({"x-ratelimit-limit-tokens": "0", "x-ratelimit-remaining-tokens": "0"}) is None


def test_no_headers_say_nothing() -> None:
    assert read_rate_limit_headers({}) is None
    assert read_rate_limit_headers({"content-type": "application/json", "x-ratelimit-reset-tokens": "1s"}) is None


@given(st.dictionaries(st.sampled_from(sorted(OPENAI)), st.text() | st.integers().map(str)))
def test_no_headers_break_it(headers: dict[str, str]) -> None:
    said = read_rate_limit_headers(headers)
    for window in (said.requests, said.tokens) if said else ():
        assert window.limit is None or window.limit > 0
        assert window.remaining is None or window.remaining >= 0
        assert window.reset_s is None or 0 <= window.reset_s <= 86_400
