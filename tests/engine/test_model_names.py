"""Names of one model, and names of another."""

import pytest

from kaizen_batch.engine.model_names import is_same_model


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("gpt-4o-mini", "gpt-4o-mini-2024-07-18"),
        ("openai/gpt-5-mini", "gpt-5-mini-2025-08-07"),
        ("gpt-4", "gpt-4-0613"),
        ("llama3", "llama3:latest"),
        ("mistral-small-latest", "mistral-small-2501"),
        ("claude-sonnet", "anthropic/claude-sonnet@20250219"),
        ("Qwen/Qwen2", "qwen/qwen2"),
    ],
)
def test_a_version_or_a_prefix_is_the_same_model(asked: str, answered: str) -> None:
    assert is_same_model(asked, answered)


@pytest.mark.parametrize(
    ("asked", "answered"),
    [("gpt-4", "gpt-4o"), ("gpt-4", "gpt-4-turbo"), ("gpt-4o", "gpt-4o-mini"), ("any", "tiny.gguf"), ("a", "b")],
)
def test_another_name_is_another_model(asked: str, answered: str) -> None:
    assert not is_same_model(asked, answered)
