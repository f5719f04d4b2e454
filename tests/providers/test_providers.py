"""Names and import paths of providers."""

from typing import Any

import pytest

from kaizen_batch.config import BatchConfig
from kaizen_batch.errors import ConfigError
from kaizen_batch.providers import (
    Completion,
    MockProvider,
    Provider,
    Request,
    create_provider,
    import_object,
    register_provider,
)


class Other(Provider):
    async def complete(self, request: Request) -> Completion:
        return Completion(text="x")


def test_a_registered_name_makes_its_provider_and_may_be_registered_again() -> None:
    register_provider("test-registry", Other)
    register_provider("test-registry", Other)
    assert isinstance(create_provider(BatchConfig(llm_provider="test-registry")), Other)


def test_a_taken_name_is_refused() -> None:
    with pytest.raises(ConfigError, match="used by MockProvider"):
        register_provider("mock", Other)


@pytest.mark.parametrize("thing", [None, Other(), int])
def test_only_a_provider_class_can_be_registered(thing: Any) -> None:
    with pytest.raises(ConfigError, match="subclass of Provider"):
        register_provider("test-registry-2", thing)


def test_an_import_path_makes_its_provider() -> None:
    assert isinstance(create_provider(BatchConfig(llm_provider="kaizen_batch.providers:MockProvider")), MockProvider)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="unknown llm_provider 'zzz': known are 'openai', 'mock'"):
        create_provider(BatchConfig(llm_provider="zzz"))


def test_invalid_options_are_rejected_by_name() -> None:
    with pytest.raises(ConfigError, match="provider_options do not fit MockProvider"):
        create_provider(BatchConfig(llm_provider="mock", provider_options={"zzz": 1}))


@pytest.mark.parametrize("path", ["no_such_module_x:A", "os:nothing", "os:path.nothing", "os:", ":Name", ".mod:Name"])
def test_a_path_that_leads_nowhere_is_a_config_error(path: str) -> None:
    with pytest.raises(ConfigError):
        import_object(path)
