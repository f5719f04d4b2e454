"""Tokens, what they cost, and what a call can cost at most."""

from kaizen_batch.prices.price import Price, PriceOptions
from kaizen_batch.prices.price_list import context_window_of, price_of
from kaizen_batch.prices.usage import Usage, UsageDict

__all__ = ["Price", "PriceOptions", "Usage", "UsageDict", "context_window_of", "price_of"]
