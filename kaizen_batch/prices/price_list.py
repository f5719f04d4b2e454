"""The list prices of models at endpoints that are known, and the size of their context windows.

A price is never too low for text in, text out, and None where nobody can say. Source: the package genai-prices; nothing
is fetched.
"""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from kaizen_batch.prices.price import Price

if TYPE_CHECKING:
    from genai_prices.types import ConditionalPrice, ModelInfo, ModelPrice, PriceVariant, TieredPrices

_OPENAI = "https://api.openai.com/v1"

# The keys of genai-prices that a call of text in, text out can be billed by.
_INPUT = ("input_mtok", "cache_write_mtok")
_OUTPUT = ("output_mtok", "output_reasoning_mtok")
# Those that are billed only to requests that ask for it: other media as input, tools, a cache kept for an hour.
_ONLY_IF_ASKED = re.compile(
    r"(input|cache)_(audio|image|video)(_read)?_mtok|cache_write_(5m|1h)_mtok"
    r"|(web|social|storage)_searches_kcount|code_executions_kcount"
)
# Models that search the web unasked, and bill each search: no bound follows from tokens.
_SEARCHES_UNASKED = re.compile("search|sonar")


def price_of(model: str, base_url: str | None = None, mode: str = "standard") -> Price | None:
    """The list price of a model at an endpoint, or None if nobody can say: then the user has to.

    >>> price_of("gpt-4o-mini")
    Price(input=0.15, output=0.6, cached=0.075, tiers=())
    >>> price_of("gpt-4o-mini", "http://127.0.0.1:8000/v1") is None
    True

    `base_url` None is OpenAI. `mode` is the service tier, or "batch"; one that the list does not know has no price.

    Never too low for text in, text out: input that a cache stores is dearer with some models, so all input is; a price
    that changes with the hour, or within a week, is the dearest of those. None for a model that bills requests,
    searches, media or seconds, and for an unknown model or host. Source: genai-prices; nothing is fetched.
    """
    return _price_on(datetime.now(UTC).date(), model, base_url or _OPENAI, mode)


@cache
def _price_on(day: date, model: str, base_url: str, mode: str = "standard") -> Price | None:
    from genai_prices.data_snapshot import get_snapshot  # a quarter of a second: only runs that need prices pay it

    try:
        provider, found = get_snapshot().find_provider_model(model, None, None, base_url)
    except LookupError:
        return None
    if _only_looks_like(provider.api_pattern, base_url) or _SEARCHES_UNASKED.search(f"{model} {found.id}".lower()):
        return None
    candidates = _candidates(found, day, mode)
    if not candidates or not all(_is_text_only(price) for price in candidates):
        return None
    return _dearest(candidates)


def _only_looks_like(pattern: str, base_url: str) -> bool:
    # The patterns are prefixes: api.openai.com.proxy.example would pass for api.openai.com.
    match = re.match(pattern, base_url)
    host_end = base_url.find(urlsplit(base_url).netloc) + len(urlsplit(base_url).netloc)
    return match is None or "." in base_url[match.end() : host_end].split(":")[0]


def _in_force(prices: "list[ConditionalPrice]", day: date) -> "Iterator[ModelPrice]":
    """Every price that may hold while a run lasts. The last entry whose condition is met counts."""
    from genai_prices.types import StartDateConstraint

    for entry in reversed(prices):
        starts = entry.constraint.start_date if isinstance(entry.constraint, StartDateConstraint) else None
        if starts is None or starts <= day + timedelta(days=7):
            yield entry.prices
        # A day's grace, for where a date begins depends on the provider's time zone.
        if entry.constraint is None or (starts is not None and starts < day):
            return


def _candidates(found: "ModelInfo", day: date, mode: str) -> "list[ModelPrice]":
    """Every price of a model that may hold in a mode."""
    standard = list(_in_force(found.prices, day)) if isinstance(found.prices, list) else [found.prices]
    if mode in _STANDARD:
        return standard
    variants = [variant.prices for variant in found.price_variants or () if _is_for(variant, mode, day)]
    return [_changed(price, variant) for price in standard for variant in variants]


_STANDARD = ("standard", "default", "auto")  # "auto" is the project's own tier


def _is_for(variant: "PriceVariant", mode: str, day: date) -> bool:
    """Whether these prices are those of a mode alone (and not of a region), and are in force."""
    in_force = getattr(variant.constraint, "start_date", day) <= day
    return in_force and variant.when in ({"service_tier": mode}, {"processing": mode})


def _changed(price: "ModelPrice", variant: "ModelPrice") -> "ModelPrice":
    """A price with what a variant changes; if it does not name cached input, that has no discount."""
    own = {name: value for name, value in vars(variant).items() if value is not None}
    return type(price)(**{**vars(price), "cache_read_mtok": None, **own})


def _is_text_only(price: "ModelPrice") -> bool:
    keys = {key for key, value in vars(price).items() if value is not None}
    extra = keys - {*_INPUT, *_OUTPUT, "cache_read_mtok"}
    return {"input_mtok", "output_mtok"} <= keys and all(_ONLY_IF_ASKED.fullmatch(key) for key in extra)


def _dearest(candidates: "list[ModelPrice]") -> Price:
    tiers = {
        tier.start
        for price in candidates
        for key in (*_INPUT, *_OUTPUT, "cache_read_mtok")
        for tier in getattr(getattr(price, key), "tiers", ())
    }
    base, *longer = (_dearest_above(above, candidates) for above in (-1, *sorted(tiers)))
    return Price(base.input, base.output, base.cached, tuple(zip(sorted(tiers), longer, strict=True)))


def _dearest_above(tokens: int, candidates: "list[ModelPrice]") -> Price:
    """The price of a call with more than so many input tokens."""

    def dearest(*keys: str) -> list[float]:
        levels = [max(_level(getattr(price, key), tokens) for key in keys) for price in candidates]
        return [level for level in levels if level >= 0]

    cached = dearest("cache_read_mtok")
    return Price(
        max(dearest(*_INPUT)),
        max(dearest(*_OUTPUT)),
        max(cached) if len(cached) == len(candidates) else None,
    )


def _level(value: "Decimal | TieredPrices | None", tokens: int) -> float:
    """A Decimal or tiered price of genai-prices at so many input tokens; -1 if there is none."""
    if value is None:
        return -1.0
    if isinstance(value, Decimal):
        return float(value)
    reached = [tier.price for tier in value.tiers if tier.start <= tokens]
    return float(reached[-1] if reached else value.base)


def context_window_of(model: str, base_url: str | None = None) -> int | None:
    """Tokens that a model takes in one call, question and answer together; None if nobody can say.

    >>> context_window_of("gpt-4o-mini")
    128000
    """
    from genai_prices.data_snapshot import get_snapshot

    try:
        _, found = get_snapshot().find_provider_model(model, None, None, base_url or _OPENAI)
    except LookupError:
        return None
    return found.context_window
