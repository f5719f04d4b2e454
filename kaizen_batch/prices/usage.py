"""Tokens, as the endpoint counts them."""

from typing import TypedDict

from msgspec import Struct


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
