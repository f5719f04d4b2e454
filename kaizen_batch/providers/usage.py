"""The `usage` of a chat completion as the tokens to bill.

Zeros are not usage: a gateway that answers with them would make every call look free. Reasoning tokens are output
tokens, wherever a server counts them: output tokens are at least `total_tokens - prompt_tokens`.
"""

from typing import Annotated

from msgspec import Meta, Struct

from kaizen_batch.prices import Usage

_MAX_TOKENS = 10**12  # of one call; more makes no sense, and sums must fit the journal

_Tokens = Annotated[int, Meta(ge=0, le=_MAX_TOKENS)]


class _PromptDetails(Struct, gc=False):
    cached_tokens: _Tokens | None = None


class _CompletionDetails(Struct, gc=False):
    reasoning_tokens: _Tokens | None = None


class ChatUsage(Struct, gc=False):
    """The counts of a response as the standard has them, and where servers put those of the reasoning."""

    prompt_tokens: _Tokens
    completion_tokens: _Tokens
    total_tokens: _Tokens | None = None
    reasoning_tokens: _Tokens | None = None
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None


def usage_from_body(body: dict[str, object], has_text: bool) -> Usage | None:
    """The usage in the parsed JSON of a response, None if it has none that makes sense."""
    usage = body.get("usage")
    if not isinstance(usage, dict):
        return None
    prompt, completion = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
    if prompt is None or completion is None:
        return None  # half a count would make the call look cheap
    cached = _PromptDetails(_count(_detail(usage, "prompt_tokens_details", "cached_tokens")))
    reasoning = _CompletionDetails(_count(_detail(usage, "completion_tokens_details", "reasoning_tokens")))
    total, outside = _count(usage.get("total_tokens")), _count(usage.get("reasoning_tokens"))
    return usage_from_counts(ChatUsage(prompt, completion, total, outside, cached, reasoning), has_text)


def usage_from_counts(given: ChatUsage, has_text: bool) -> Usage | None:
    """The tokens to bill, or None if the counts are not credible: no prompt, or a text of no tokens."""
    prompt, output, total = given.prompt_tokens, given.completion_tokens, given.total_tokens
    details, cached = given.completion_tokens_details, given.prompt_tokens_details
    reasoning = (given.reasoning_tokens or 0) if details is None else _reasoning_of(given, details)
    # Some servers count reasoning outside of the completion: then only the total, or their sum, includes it.
    if total is not None and total - prompt > output:
        output = total - prompt
        reasoning = min(reasoning, output)
    elif reasoning > output:
        output += reasoning
    if not prompt or (has_text and not output):
        return None
    return Usage(prompt, output, 0 if cached is None else _cached_of(cached, prompt), reasoning)


def _reasoning_of(given: ChatUsage, details: _CompletionDetails) -> int:
    return details.reasoning_tokens or given.reasoning_tokens or 0


def _cached_of(details: _PromptDetails, prompt: int) -> int:
    return min(details.cached_tokens or 0, prompt)


def _detail(usage: dict[str, object], group: str, name: str) -> object:
    details = usage.get(group)
    return details.get(name) if isinstance(details, dict) else None


def _count(value: object) -> int | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if type(value) is int and 0 <= value <= _MAX_TOKENS else None
