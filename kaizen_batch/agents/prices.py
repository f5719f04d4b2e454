"""What a request to a model can cost: the price of its model at its service tier, and the size of its input."""

from collections.abc import Mapping

from kaizen_batch.config import BatchConfig
from kaizen_batch.prices import Price, context_window_of
from kaizen_batch.providers import Provider, Request
from kaizen_batch.signature.media_tokens import media_size


def tier_of(parameters: Mapping[str, object] | None) -> str | None:
    """The service tier that parameters ask for; None for the standard one.

    >>> tier_of({"service_tier": "flex"}), tier_of({"service_tier": "auto"})
    ('flex', None)
    """
    tier = (parameters or {}).get("service_tier")
    return None if tier in (None, "auto", "default") else str(tier)


def list_price(provider: Provider, model: str, tier: str | None) -> Price | None:
    """The price of a model at a service tier; None if it is not known."""
    return provider.price(model) if tier is None else provider.price_in(model, tier)


def input_size(request: Request | None, body: bytes, config: BatchConfig) -> tuple[int, bool]:
    """What bounds the tokens of a request's input, and whether it does.

    Texts count by their bytes, images by their pixels; where nothing bounds what is sent, the context window does.
    """
    media = None if request is None else media_size(request.messages, request.model)
    if request is None or media is None:
        return len(body), True
    size = len(body) - media.characters + media.tokens
    if media.is_bound:
        return size, True
    window = context_window_of(request.model, config.url)
    return (size, False) if window is None else (window, True)
