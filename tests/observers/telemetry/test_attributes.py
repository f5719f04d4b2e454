"""The attributes of spans and metrics: the names and values of the conventions for generative AI."""

import pytest
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
from opentelemetry.semconv._incubating.metrics import gen_ai_metrics
from opentelemetry.semconv.attributes import error_attributes, server_attributes

from kaizen_batch.observers.telemetry import attributes


def test_the_names_are_those_of_the_conventions() -> None:
    known = {
        value
        for module in (gen_ai_attributes, error_attributes, server_attributes)
        for name, value in vars(module).items()
        if name.isupper() and isinstance(value, str)
    }
    ours = {value for name, value in vars(attributes).items() if name.isupper() and isinstance(value, str)}
    assert ours - {attributes.CHAT} <= known
    assert gen_ai_metrics.GEN_AI_CLIENT_OPERATION_DURATION == "gen_ai.client.operation.duration"
    assert gen_ai_metrics.GEN_AI_CLIENT_TOKEN_USAGE == "gen_ai.client.token.usage"


@pytest.mark.parametrize(
    ("endpoint", "provider", "address", "port"),
    [
        ("https://api.openai.com/v1", "openai", "api.openai.com", 443),
        ("https://me.openai.azure.com/openai", "azure.ai.openai", "me.openai.azure.com", 443),
        ("https://api.mistral.ai/v1", "mistral_ai", "api.mistral.ai", 443),
        ("https://notapi.mistral.ai.example.com/v1", "openai", "notapi.mistral.ai.example.com", 443),
        ("http://[::1]:8000/v1", "openai", "::1", 8000),
        ("http://127.0.0.1/v1", "openai", "127.0.0.1", 80),
        ("my_package.providers:Shout", "Shout", None, None),
    ],
)
def test_who_is_asked(endpoint: str, provider: str, address: str | None, port: int | None) -> None:
    shared = attributes.target_of("some-model", endpoint).attributes
    assert shared["gen_ai.provider.name"] == provider
    assert (shared.get("server.address"), shared.get("server.port")) == (address, port)
