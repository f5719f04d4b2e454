"""Warnings about what a model cannot do, before it is asked."""

import pytest

from kaizen_batch import BatchConfig
from kaizen_batch.commands.capabilities import warnings_of


@pytest.mark.parametrize(
    ("options", "schema", "warning"),
    [
        ({"model": "gpt-3.5-turbo"}, True, None),
        ({"model": "gpt-3.5-turbo", "structured": "strict"}, True, "does not support JSON schemas"),
        ({"model": "gpt-4", "structured": "strict"}, True, "does not support JSON schemas"),
        ({"model": "gpt-4-turbo", "structured": "strict"}, True, "does not support JSON schemas"),
        ({"model": "gpt-3.5-turbo"}, False, None),
        ({"model": "gpt-4o-mini"}, True, None),
        ({"model": "gpt-4.1-mini"}, True, None),
        ({"model": "text-embedding-3-small"}, False, "is not a chat model"),
        ({"model": "o3-mini", "temperature": 0.7}, False, "does not accept --temperature"),
        ({"model": "o3-mini", "temperature": 1}, False, None),
        ({"model": "o3-mini"}, False, None),
        ({"model": "gpt-4o-mini", "max_tokens": 200_000}, False, "leaves no room for the prompt"),
        ({"model": "gpt-3.5-turbo", "base_url": "http://127.0.0.1:8000/v1"}, True, None),
    ],
)
def test_only_what_is_known_to_fail_is_named(options: dict[str, object], schema: bool, warning: str | None) -> None:
    config = BatchConfig(**{"api_key": "x", "base_url": None, **options})  # type: ignore[arg-type]
    found = warnings_of(config, schema=schema)
    assert len(found) == bool(warning) and (not warning or warning in found[0])
