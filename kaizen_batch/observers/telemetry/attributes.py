"""A call in the words of OpenTelemetry's conventions for generative AI. Plain values; nothing is recorded here."""

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from kaizen_batch.events import CallFinished
from kaizen_batch.providers import Request
from kaizen_batch.signature.messages import text_of

Attributes = dict[str, Any]

OPERATION = "gen_ai.operation.name"
PROVIDER = "gen_ai.provider.name"
REQUEST_MODEL = "gen_ai.request.model"
MAX_TOKENS = "gen_ai.request.max_tokens"
TEMPERATURE = "gen_ai.request.temperature"
OUTPUT_TYPE = "gen_ai.output.type"
RESPONSE_MODEL = "gen_ai.response.model"
FINISH_REASONS = "gen_ai.response.finish_reasons"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
CACHED_TOKENS = "gen_ai.usage.cache_read.input_tokens"
TOKEN_TYPE = "gen_ai.token.type"
INPUT_MESSAGES = "gen_ai.input.messages"
OUTPUT_MESSAGES = "gen_ai.output.messages"
SERVER_ADDRESS = "server.address"
SERVER_PORT = "server.port"
ERROR_TYPE = "error.type"

CHAT = "chat"

_PORTS = {"http": 80, "https": 443}
_PROVIDERS = {
    "openai.azure.com": "azure.ai.openai",
    "services.ai.azure.com": "azure.ai.inference",
    "api.anthropic.com": "anthropic",
    "api.cohere.com": "cohere",
    "api.cohere.ai": "cohere",
    "api.deepseek.com": "deepseek",
    "generativelanguage.googleapis.com": "gcp.gemini",
    "aiplatform.googleapis.com": "gcp.vertex_ai",
    "api.groq.com": "groq",
    "api.mistral.ai": "mistral_ai",
    "api.perplexity.ai": "perplexity",
    "api.x.ai": "x_ai",
}
"""By the end of the host's name; any other endpoint over HTTP speaks OpenAI's language, and is named by that."""


@dataclass(frozen=True, slots=True)
class Target:
    """Who is asked: the name of the span, and the attributes that all calls there share.

    `is_model` is False for a plain function, which the conventions for generative AI do not cover.
    """

    span_name: str
    attributes: Attributes
    is_model: bool


@lru_cache(maxsize=256)
def target_of(model: str | None, endpoint: str | None) -> Target:
    """The target of calls for a model (None: a plain function) at an endpoint: a URL, or an import path."""
    where = urlsplit(endpoint or "")
    name = (endpoint or "").rpartition(":")[2] or "function"
    if model is None:
        return Target(f"call {name}", {}, False)
    shared: Attributes = {OPERATION: CHAT, REQUEST_MODEL: model, PROVIDER: name}
    if where.scheme in _PORTS and where.hostname:
        shared[PROVIDER] = _provider(where.hostname)
        shared[SERVER_ADDRESS] = where.hostname
        shared[SERVER_PORT] = where.port or _PORTS[where.scheme]
    return Target(f"{CHAT} {model}", shared, True)


def outcome_of(call: CallFinished) -> Attributes:
    """The outcome of a call, as far as metrics tell it apart: few different values."""
    outcome: Attributes = {}
    if call.response_model is not None:
        outcome[RESPONSE_MODEL] = call.response_model
    if call.error is not None:
        outcome[ERROR_TYPE] = call.error.code
    return outcome


def details_of(call: CallFinished, *, content: bool) -> Attributes:
    """What only a span says of a call: its place in the run, parameters, usage, cost; with `content` the texts."""
    details: Attributes = {"kaizen_batch.item.index": call.index, "kaizen_batch.attempt": call.attempt}
    if call.cost_usd is not None:
        details["kaizen_batch.cost_usd"] = call.cost_usd
    if isinstance(call.request, Request):
        details.update(_parameters(call.request))
    if call.finish_reason is not None and call.answer is not None:
        details[FINISH_REASONS] = [call.finish_reason]
    if call.usage is not None:
        details[INPUT_TOKENS] = call.usage.input_tokens
        details[OUTPUT_TOKENS] = call.usage.output_tokens
        if call.usage.cached_tokens:
            details[CACHED_TOKENS] = call.usage.cached_tokens
    if content:
        details.update(_content(call))
    return details


def _provider(host: str) -> str:
    return next((name for end, name in _PROVIDERS.items() if host == end or host.endswith("." + end)), "openai")


def _parameters(request: Request) -> Attributes:
    parameters: Attributes = {OUTPUT_TYPE: "json" if request.output else "text"}
    if request.max_tokens is not None:
        parameters[MAX_TOKENS] = request.max_tokens
    if request.temperature is not None:
        parameters[TEMPERATURE] = request.temperature
    return parameters


def _content(call: CallFinished) -> Attributes:
    content: Attributes = {}
    if isinstance(call.request, Request):
        messages = [_message(message["role"], text_of(message["content"])) for message in call.request.messages]
        content[INPUT_MESSAGES] = json.dumps(messages, ensure_ascii=False)
    if call.answer is not None:
        answer = {**_message("assistant", call.answer), "finish_reason": call.finish_reason}
        content[OUTPUT_MESSAGES] = json.dumps([answer], ensure_ascii=False)
    return content


def _message(role: str, text: str) -> dict[str, object]:
    return {"role": role, "parts": [{"type": "text", "content": text}]}
