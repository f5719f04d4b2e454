"""The price list: never too low, and None if unknown."""

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

from kaizen_batch.prices import Price, price_of
from kaizen_batch.prices.price_list import _price_on

ANTHROPIC = "https://api.anthropic.com/v1/"
DEEPSEEK = "https://api.deepseek.com"
OPENAI = "https://api.openai.com/v1"

Lookup = Callable[..., Price | None]


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
