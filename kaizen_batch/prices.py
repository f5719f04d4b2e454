"""Tokens, what they cost, and what a call can cost at most."""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING, NotRequired, TypedDict
from urllib.parse import urlsplit

from msgspec import Struct

from kaizen_batch.errors import ConfigError, did_you_mean

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


class UsageDict(TypedDict):
    """Usage as a dict."""

    input_tokens: int
    output_tokens: int
    cached_tokens: int
    reasoning_tokens: int


class Usage(Struct, frozen=True, gc=False):
    """Tokens of one or more calls, as the endpoint counts them.

    >>> Usage(input_tokens=12, output_tokens=3) + Usage(input_tokens=8, output_tokens=2)
    Usage(input_tokens=20, output_tokens=5, cached_tokens=0, reasoning_tokens=0)

    `cached_tokens` is the part of `input_tokens` that the endpoint read from its prompt cache, `reasoning_tokens` the
    part of `output_tokens` that the model spent on reasoning.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cached_tokens + other.cached_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
        )

    @property
    def total_tokens(self) -> int:
        """Input and output tokens together."""
        return self.input_tokens + self.output_tokens

    def to_dict(self) -> UsageDict:
        """The same as a JSON-able dict."""
        return {
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "cached_tokens": self.cached_tokens,
            "reasoning_tokens": self.reasoning_tokens,
        }


class PriceOptions(TypedDict):
    """A price as a dict."""

    input: float
    output: float
    cached: NotRequired[float | None]


@dataclass(frozen=True, slots=True)
class Price:
    """What a model costs, in USD per million tokens.

    >>> Price(input=0.15, output=0.60, cached=0.075).cost(Usage(input_tokens=1_000, output_tokens=100))
    0.00021

    `cached` is for input that the endpoint read from its prompt cache, None: as `input`. `tiers` are prices of long
    inputs, ascending: with more than so many input tokens, all tokens of the call are at that price. Raises
    ConfigError for a price that is not a finite number >= 0.
    """

    input: float
    output: float
    cached: float | None = None
    tiers: tuple[tuple[int, "Price"], ...] = ()

    def __post_init__(self) -> None:
        _check("input", self.input)
        _check("output", self.output)
        if self.cached is not None:
            _check("cached", self.cached)

    @classmethod
    def of(cls, value: object) -> "Price":
        """A Price as it is, or one from a dict; ConfigError for anything else.

        >>> Price.of({"input": 0.15, "output": 0.60})
        Price(input=0.15, output=0.6, cached=None, tiers=())
        """
        if isinstance(value, Price):
            return value
        if not isinstance(value, Mapping) or not {"input", "output"} <= value.keys():
            raise ConfigError(f'a price is written {{"input": 0.15, "output": 0.60}}, {_UNIT}; given: {value!r}')
        for key in value.keys() - {"input", "output", "cached"}:
            hint = did_you_mean(str(key), ("input", "output", "cached"))
            raise ConfigError(f"a price has no {key!r}; {hint}allowed: input, output, cached")
        return cls(value["input"], value["output"], value.get("cached"))

    def cost(self, usage: Usage) -> float:
        """USD of one call. (Of the sum of several: not less than they cost, as the sum may reach a dearer tier.)"""
        price, asked, cached = self, usage.input_tokens, usage.cached_tokens
        for above, tier in self.tiers:
            if asked > above:
                price = tier
        per_fresh, per_cached, per_output, unit = _in_integers(price.input, price.output, price.cached)
        if cached > asked:
            cached = asked
        # Exact, and rounded once: so `at_most` is never below, not even by the last bit of a float.
        return ((asked - cached) * per_fresh + cached * per_cached + usage.output_tokens * per_output) / unit

    def at_most(self, input_tokens: int, output_tokens: int) -> float:
        """The most USD that one call of up to so many tokens can cost, however much of its input is cached."""
        per_fresh, per_cached, per_output, unit = _in_integers(self.input, self.output, self.cached)
        most = (input_tokens * max(per_fresh, per_cached) + output_tokens * per_output) / unit
        for above, tier in self.tiers:
            if input_tokens > above:
                most = max(most, tier.at_most(input_tokens, output_tokens))
        return most


_UNIT = "in USD per million tokens"


def _check(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise ConfigError(f"the {name} price must be a finite number >= 0, {_UNIT} (0: it is free); given: {value!r}")


@cache
def _in_integers(fresh: float, output: float, cached: float | None) -> tuple[int, int, int, int]:
    """The prices of one token of fresh input, cached input and output, and how many of these units make one USD."""
    # Read as written: 0.15 means 3/20, not the float next to it.
    rates = [Fraction(str(rate)) for rate in (fresh, fresh if cached is None else cached, output)]
    unit = math.lcm(*(rate.denominator for rate in rates))
    per_fresh, per_cached, per_output = (int(rate * unit) for rate in rates)
    return per_fresh, per_cached, per_output, unit * 1_000_000


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
