"""Providers: one interface, and the endpoints behind it."""

from importlib import import_module
from typing import Any

from kaizen_batch.config import BatchConfig
from kaizen_batch.errors import ConfigError, did_you_mean
from kaizen_batch.providers.base import Completion, Message, OutputSchema, Parameters, Provider, Request
from kaizen_batch.providers.litellm import LiteLLMProvider
from kaizen_batch.providers.mock import MockProvider
from kaizen_batch.providers.openai import OpenAIProvider

__all__ = [
    "Completion",
    "LiteLLMProvider",
    "Message",
    "MockProvider",
    "OpenAIProvider",
    "OutputSchema",
    "Parameters",
    "Provider",
    "Request",
    "check_provider_name",
    "configure_provider",
    "create_provider",
    "import_object",
    "register_provider",
]

_registered: dict[str, type[Provider]] = {
    "openai": OpenAIProvider,
    "mock": MockProvider,
    "litellm": LiteLLMProvider,
}


def register_provider(name: str, provider: type[Provider]) -> None:
    """Register a provider class under a name for `BatchConfig(llm_provider=name)`.

    >>> register_provider("dry-run", MockProvider)

    Raises: ConfigError for anything but a subclass of Provider, or a name already in use.
    """
    if not (isinstance(provider, type) and issubclass(provider, Provider)):
        raise ConfigError(f"register_provider takes a subclass of Provider; given: {provider!r}")
    if _registered.get(name, provider) is not provider:
        raise ConfigError(f"the provider name {name!r} is already used by {_registered[name].__qualname__}")
    _registered[name] = provider


def create_provider(config: BatchConfig) -> Any:
    """The provider, or the function or agent, that `config.llm_provider` names.

    Raises: ConfigError for an unknown name, an import path that cannot be resolved, or wrong `provider_options`.
    """
    name = config.llm_provider
    check_provider_name(name)
    found: object = import_object(name) if ":" in name else _registered[name]
    if isinstance(found, type) and issubclass(found, Provider):
        return configure_provider(found, config)
    return found


def check_provider_name(name: str) -> None:
    """Raise ConfigError for a name that is not registered. Import paths are not checked here."""
    if ":" in name or name in _registered:
        return
    known = ", ".join(repr(known) for known in _registered)
    raise ConfigError(
        f"unknown llm_provider {name!r}: {did_you_mean(name, _registered)}known are {known}, "
        'names given to register_provider, and import paths such as "my_package.my_module:MyProvider"'
    )


def configure_provider(provider: type[Provider], config: BatchConfig) -> Provider:
    """An instance of a provider class for this config; raises ConfigError when `provider_options` do not fit."""
    try:
        return provider.from_config(config)
    except TypeError as error:
        given = ", ".join(config.provider_options) or "none"
        raise ConfigError(f"provider_options do not fit {provider.__qualname__}: {error}; given: {given}") from None


def import_object(path: str) -> object:
    """The object behind an import path `"package.module:name"`.

    Raises: ConfigError that says which half of the path cannot be resolved.
    """
    module_name, _, qualname = path.partition(":")
    if not qualname or not module_name or module_name.startswith("."):
        raise ConfigError(f'an import path is written "package.module:name"; given: {path!r}')
    try:
        found: object = import_module(module_name)
        for part in qualname.split("."):
            found = getattr(found, part)
    except ImportError as error:
        raise ConfigError(f"cannot import {module_name!r} of {path!r}: {error}") from error
    except AttributeError:
        raise ConfigError(f"cannot import {path!r}: the module {module_name!r} has no attribute {qualname!r}") from None
    return found
