"""What tokens cost, and the most that a call can cost."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import NotRequired, TypedDict

from kaizen_batch.errors import ConfigError, did_you_mean
from kaizen_batch.prices.usage import Usage


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
