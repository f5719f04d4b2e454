"""Warnings about what a model cannot do, before any row is paid for.

Only what OpenAI documents of its own models, and only at its own endpoint: a compatible server may use these names for
anything.
"""

import re
from collections.abc import Iterator

from kaizen_batch.config import BatchConfig
from kaizen_batch.prices import context_window_of

# Structured Outputs begin with gpt-4o-2024-08-06: https://platform.openai.com/docs/guides/structured-outputs
_WITHOUT_SCHEMA = re.compile(r"gpt-3\.5|gpt-4(-(?!o)|$)|gpt-4o-2024-05-13|o1-(mini|preview)|chatgpt-4o")
_NOT_CHAT = re.compile(r"text-embedding|whisper|tts-|dall-e|gpt-image|omni-moderation|davinci|babbage")
_FIXED_TEMPERATURE = re.compile(r"o[134](-|$)|gpt-5(?!.*chat)")


def warnings_of(config: BatchConfig, *, schema: bool) -> list[str]:
    """What the model cannot do of what is asked."""
    return list(_warnings(config, schema=schema)) if config.llm_provider == "openai" else []


def _warnings(config: BatchConfig, *, schema: bool) -> Iterator[str]:
    window = context_window_of(config.model, config.url)
    if window is not None and config.max_tokens is not None and config.max_tokens >= window:
        yield f"--max-tokens {config.max_tokens:,} leaves no room for the prompt: the context has {window:,} tokens"
    if config.url is None or "api.openai.com" in config.url:
        yield from _of_openai(config, schema=schema)


def _of_openai(config: BatchConfig, *, schema: bool) -> Iterator[str]:
    model = config.model
    if _NOT_CHAT.match(model):
        yield f"{model} is not a chat model: every row will fail; choose one such as gpt-4o-mini"
    elif schema and config.structured == "strict" and _WITHOUT_SCHEMA.match(model):
        yield f"{model} does not support JSON schemas: rows will fail; leave out --structured strict"
    elif _asks_for_a_temperature(config) and _FIXED_TEMPERATURE.match(model):
        yield f"{model} does not accept --temperature: rows will fail; leave it out"


def _asks_for_a_temperature(config: BatchConfig) -> bool:
    """Whether a temperature was given that a model may reject; the default is left out where that is needed."""
    return "temperature" in config.model_fields_set and config.temperature not in (None, 1)
