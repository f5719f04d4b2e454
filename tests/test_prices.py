"""Prices: exact, never too low, and None if unknown."""

import math
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, date, time
from decimal import Decimal
from typing import Any

import pytest
from genai_prices.data_snapshot import DataSnapshot, set_custom_snapshot
from genai_prices.types import (
    ClauseEquals,
    ConditionalPrice,
    ModelInfo,
    ModelPrice,
    Provider,
    StartDateConstraint,
    Tier,
    TieredPrices,
    TimeOfDateConstraint,
)
from hypothesis import given
from hypothesis import strategies as st

from kaizen_batch.errors import ConfigError
from kaizen_batch.prices import Price, Usage, _price_on, price_of

ANTHROPIC = "https://api.anthropic.com/v1/"
DEEPSEEK = "https://api.deepseek.com"
OPENAI = "https://api.openai.com/v1"

Lookup = Callable[..., Price | None]

RATES = st.floats(0, 1_000) | st.sampled_from([0.0, 0.075, 0.1, 0.15, 0.6, 2.5, 1e-9])
PRICES = st.builds(Price, RATES, RATES, st.none() | RATES)
TIERED = st.builds(
    lambda base, tiers: Price(base.input, base.output, base.cached, tuple(sorted(tiers, key=lambda tier: tier[0]))),
    PRICES,
    st.lists(st.tuples(st.integers(0, 300_000), PRICES), max_size=3),
)
TOKENS = st.integers(0, 1_000_000)


# ---- what a call costs ----


@pytest.mark.parametrize(
    ("price", "usage", "usd"),
    [
        (Price(0.15, 0.6), Usage(), 0.0),
        (Price(0.15, 0.6), Usage(1_000_000, 0), 0.15),
        (Price(0.15, 0.6), Usage(1, 1), 0.00000075),
        (Price(0.15, 0.6), Usage(1_000, 0, cached_tokens=1_000), 0.00015),
        (Price(0.15, 0.6, cached=0.075), Usage(1_000, 100, cached_tokens=400), 0.00018),
        (Price(0.15, 0.6, cached=0), Usage(10, 0, cached_tokens=99), 0.0),
        (Price(0.1, 0), Usage(3, 0), 0.0000003),
    ],
)
def test_the_cost_of_a_call_is_exact(price: Price, usage: Usage, usd: float) -> None:
    assert price.cost(usage) == usd


def test_beyond_a_tier_every_token_has_its_price() -> None:
    price = Price(1, 10, tiers=((100, Price(2, 20)), (200, Price(4, 40))))
    assert price.cost(Usage(100, 1)) == 110e-6
    assert price.cost(Usage(101, 1)) == 222e-6
    assert price.cost(Usage(201, 1)) == 844e-6
    assert price.at_most(150, 1) == 320e-6


def test_the_bound_uses_the_higher_price_of_new_and_cached_input() -> None:
    assert Price(1, 0, cached=2).at_most(100, 0) == 200e-6
    assert Price(2, 0, cached=1).at_most(100, 0) == 200e-6


@given(TIERED, TOKENS, TOKENS, st.data())
def test_no_call_within_the_bound_costs_more_than_the_bound(
    price: Price, input_tokens: int, output_tokens: int, data: st.DataObject
) -> None:
    used = data.draw(st.integers(0, input_tokens))
    usage = Usage(used, data.draw(st.integers(0, output_tokens)), data.draw(st.integers(0, used)))
    assert price.cost(usage) <= price.at_most(input_tokens, output_tokens)


# ---- prices of the user ----


@pytest.mark.parametrize(
    ("value", "price"),
    [
        ({"input": 0.15, "output": 0.6}, Price(0.15, 0.6)),
        ({"input": 1, "output": 2, "cached": 0.5}, Price(1, 2, 0.5)),
        ({"input": 1, "output": 2, "cached": None}, Price(1, 2)),
        (Price(1, 2), Price(1, 2)),
    ],
)
def test_a_price_is_given_as_itself_or_as_a_dict(value: Any, price: Price) -> None:
    assert Price.of(value) == price


@pytest.mark.parametrize("value", [None, 0.15, "gpt-4o", (0.1, 0.2), {}, {"input": 0.1}, {"output": 0.1}])
def test_anything_else_is_rejected_with_the_expected_form(value: Any) -> None:
    with pytest.raises(ConfigError, match=r'written {"input": 0\.15, "output": 0\.60}.*per million tokens'):
        Price.of(value)


def test_a_misspelled_part_is_named_with_the_correct_one() -> None:
    with pytest.raises(ConfigError, match=r"no 'cache'; did you mean 'cached'\?.*allowed: input, output, cached"):
        Price.of({"input": 1, "output": 2, "cache": 1})


@pytest.mark.parametrize("wrong", [-0.01, math.nan, math.inf, "0.15", True])
@pytest.mark.parametrize("part", ["input", "output", "cached"])
def test_a_price_is_a_finite_number_not_below_zero(part: str, wrong: Any) -> None:
    with pytest.raises(ConfigError, match=f"the {part} price must be a finite number >= 0.*given"):
        Price(**{"input": 1.0, "output": 1.0, part: wrong})


# ---- list prices ----


@pytest.mark.parametrize(
    ("model", "price"),
    [
        ("gpt-4o-mini", Price(0.15, 0.6, 0.075)),
        ("gpt-4o-mini-2024-07-18", Price(0.15, 0.6, 0.075)),
        ("GPT-4o-mini", Price(0.15, 0.6, 0.075)),
        ("gpt-4o", Price(2.5, 10, 1.25)),
        ("gpt-3.5-turbo", Price(0.5, 1.5)),
    ],
)
@pytest.mark.parametrize("base_url", [None, "", OPENAI, "https://api.openai.com", "https://api.openai.com:443/v1"])
def test_the_list_price_of_an_openai_model(model: str, price: Price, base_url: str | None) -> None:
    assert price_of(model, base_url) == price


@pytest.mark.parametrize("model", ["no-such-model", "", "gpt-4o-minimal"])
def test_the_price_of_an_unknown_model_is_unknown(model: str) -> None:
    assert price_of(model) is None


@pytest.mark.parametrize(
    "base_url",
    [
        "http://127.0.0.1:8000/v1",
        "http://localhost/v1",
        "https://llm.company.example/v1",
        "https://api.openai.com.company.example/v1",
        "https://company.example/https://api.openai.com/v1",
        "not a url [",
    ],
)
def test_the_price_at_an_unknown_host_is_unknown(base_url: str) -> None:
    assert price_of("gpt-4o-mini", base_url) is None


@pytest.mark.parametrize(
    ("model", "base_url"),
    [
        ("gpt-4o-mini-search-preview", OPENAI),  # each search is billed
        ("sonar", "https://api.perplexity.ai"),  # each request is billed
        ("gpt-audio", OPENAI),  # its output may be sound
        ("whisper-1", OPENAI),  # billed by the second
        ("text-embedding-3-small", OPENAI),  # no price of output
        ("omni-moderation-latest", OPENAI),  # no price at all
    ],
)
def test_a_model_that_is_not_billed_by_text_tokens_has_no_price(model: str, base_url: str) -> None:
    assert price_of(model, base_url) is None


def test_other_known_hosts_have_their_own_prices() -> None:
    assert price_of("gpt-4o", "https://somebody.openai.azure.com/openai/v1") == price_of("gpt-4o")
    assert price_of("deepseek-chat", DEEPSEEK) is not None
    assert price_of("gpt-4o", ANTHROPIC) is None


@pytest.fixture
def listed() -> Iterator[Lookup]:
    """Looks up a model that has exactly the given prices."""

    def lookup(*prices: ConditionalPrice, day: date = date(2026, 1, 1)) -> Price | None:
        model = ModelInfo("m", ClauseEquals("m"), prices=list(prices))
        set_custom_snapshot(DataSnapshot([Provider("p", "P", r"https://p\.example", models=[model])], False))
        _price_on.cache_clear()
        return _price_on(day, "m", "https://p.example/v1")

    yield lookup
    set_custom_snapshot(None)
    _price_on.cache_clear()


def entry(constraint: StartDateConstraint | TimeOfDateConstraint | None = None, **usd: Any) -> ConditionalPrice:
    return ConditionalPrice(constraint, prices=ModelPrice(**usd))


def usd(base: str, *tiers: tuple[int, str]) -> Decimal | TieredPrices:
    above = [Tier(start, Decimal(price)) for start, price in tiers]
    return TieredPrices(Decimal(base), above) if above else Decimal(base)


def test_the_tiers_of_long_inputs_are_kept(listed: Lookup) -> None:
    price = listed(
        entry(
            input_mtok=usd("1", (100, "2"), (300, "3")),
            output_mtok=usd("10", (200, "20")),
            cache_read_mtok=usd("0.5"),
        )
    )
    assert price == Price(
        1, 10, 0.5, tiers=((100, Price(2, 10, 0.5)), (200, Price(2, 20, 0.5)), (300, Price(3, 20, 0.5)))
    )


def test_input_costs_as_much_as_writing_it_to_a_cache(listed: Lookup) -> None:
    prices = {"input_mtok": usd("2"), "cache_write_mtok": usd("2.5"), "cache_read_mtok": usd("0.2")}
    assert listed(entry(**prices, output_mtok=usd("10"))) == Price(2.5, 10, 0.2)


def test_a_price_that_changes_with_the_hour_is_the_highest(listed: Lookup) -> None:
    at_night = TimeOfDateConstraint(time(0, 30, tzinfo=UTC), time(16, 30, tzinfo=UTC))
    dear = entry(input_mtok=usd("2"), output_mtok=usd("4"), cache_read_mtok=usd("1"))
    cheap = entry(at_night, input_mtok=usd("1"), output_mtok=usd("2"), cache_read_mtok=usd("0.5"))
    assert listed(dear, cheap) == Price(2, 4, 1)


def test_a_discount_on_cached_input_counts_only_if_it_always_applies(listed: Lookup) -> None:
    at_night = TimeOfDateConstraint(time(0, 30), time(16, 30))
    plain = entry(input_mtok=usd("1"), output_mtok=usd("2"))
    cached = entry(at_night, input_mtok=usd("1"), output_mtok=usd("2"), cache_read_mtok=usd("0.5"))
    assert listed(plain, cached) == Price(1, 2)


@pytest.mark.parametrize(
    ("key", "known"),
    [
        ("web_searches_kcount", True),
        ("cache_write_1h_mtok", True),
        ("input_audio_mtok", True),
        ("cache_image_read_mtok", True),
        ("output_reasoning_mtok", True),
        ("requests_kcount", False),
        ("output_image_mtok", False),
        ("output_citation_mtok", False),
        ("audio_hours", False),
        ("a_key_of_a_later_version", False),
    ],
)
def test_what_a_call_may_be_billed_for_besides_text(listed: Lookup, key: str, known: bool) -> None:
    price = listed(entry(input_mtok=usd("1"), output_mtok=usd("2"), **{key: usd("2")}))
    assert price == (Price(1, 2) if known else None)


@pytest.mark.parametrize(
    ("day", "usd"),
    [
        (date(2025, 1, 1), 10.0),
        (date(2025, 6, 9), 10.0),  # o3 became cheaper on 10 June
        (date(2025, 6, 10), 10.0),  # somewhere it is still the 9th
        (date(2025, 6, 11), 2.0),
    ],
)
def test_a_lower_price_applies_from_the_day_after(day: date, usd: float) -> None:
    price = _price_on(day, "o3", OPENAI)
    assert price is not None
    assert price.input == usd


@pytest.mark.parametrize(("day", "usd_now"), [(date(2026, 12, 24), 1), (date(2026, 12, 25), 2), (date(2027, 1, 9), 2)])
def test_a_price_increase_within_a_week_applies_already(listed: Lookup, day: date, usd_now: float) -> None:
    before = entry(input_mtok=usd("1"), output_mtok=usd("1"))
    after = entry(StartDateConstraint(date(2027, 1, 1)), input_mtok=usd("2"), output_mtok=usd("2"))
    assert listed(before, after, day=day) == Price(usd_now, usd_now)


def test_a_model_without_an_entry_has_no_price(listed: Lookup) -> None:
    assert listed() is None


def test_a_lookup_opens_no_socket_and_starts_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    threads = threading.enumerate()
    _price_on.cache_clear()
    assert price_of("gpt-4o") is not None
    assert price_of("gpt-4o", "https://unknown.example") is None
    assert threading.enumerate() == threads


def test_the_price_list_is_loaded_by_the_first_lookup_only() -> None:
    code = "import sys, kaizen_batch.prices; sys.exit('genai_prices' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("mode", "price"),
    [
        ("standard", Price(1.25, 10.0, 0.125)),
        ("auto", Price(1.25, 10.0, 0.125)),
        ("default", Price(1.25, 10.0, 0.125)),
        ("flex", Price(0.625, 5.0, 0.0625)),
        ("batch", Price(0.625, 5.0, 0.0625)),
        ("priority", Price(2.5, 20.0, 0.25)),
        ("scale", None),
    ],
)
def test_each_mode_has_its_own_price(mode: str, price: Price | None) -> None:
    assert price_of("gpt-5", mode=mode) == price


def test_cached_input_has_no_discount_in_a_mode_that_names_none() -> None:
    batch = price_of("o3", mode="batch")
    assert batch == Price(1.0, 4.0, None)
