"""What the run-time inputs of a node may do.

In a served workflow, whoever sends the request chooses the run-time inputs. They are therefore data, without power:

- `DATA` names may be given freely: the items, the template and what shapes one answer.
- `LIMITS` may only be lowered: a value above the one in force, defaults included, is refused.
- Everything else (endpoint, key, provider, signature, files, journal, ...) is fixed when the node is constructed.
  The author of the node may open single names with `runtime_inputs=(...)`. Opened paths are confined to
  `runtime_folder`; an opened endpoint gets no key unless `endpoint_keys` names one for it.

A name that is unknown or refused is an error, never ignored: a misspelled limit would otherwise not hold.
"""

import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kaizen_batch.config import BatchConfig
from kaizen_batch.errors import ConfigError, did_you_mean

DATA = ("batch", "prompt", "template", "model", "temperature", "max_tokens", "system_prompt")
LIMITS = (
    "max_concurrent",
    "requests_per_second",
    "requests_per_minute",
    "requests_per_day",
    "tokens_per_minute",
    "budget_usd",
    "timeout_s",
    "deadline_s",
    "grace_s",
    "max_reasks",
)
PATHS = ("input_path", "output_path", "journal")
REFERENCES = "item_references"
"""The name that opens items which refer to files, URLs or headers; see `kaizen_batch.nodes.items`."""

_FROM_KAILASH = frozenset({"context", "resource_registry"})
_OF_ONE_MODEL = ("price",)
_OF_ONE_ENDPOINT = ("price", "headers", "parameters", "endpoint_name")


def chosen_by_caller(inputs: Mapping[str, object], config: Mapping[str, object]) -> dict[str, object]:
    """The run-time inputs that the caller chose.

    Left out are names that Kailash adds by itself, None (an input that no branch of the graph gave), and values that
    the node is configured with: in a cycle, Kailash hands a node its own configuration as run-time inputs.
    """
    return {
        name: value
        for name, value in inputs.items()
        if value is not None
        and name not in _FROM_KAILASH
        and not name.startswith("_")
        and not _same(config, name, value)
    }


def unknown_input(name: str, allowed: Collection[str]) -> ConfigError:
    """The error for a run-time input that the node does not have."""
    return ConfigError(f"unknown input {name!r}: {did_you_mean(name, allowed)}allowed are {', '.join(allowed)}")


@dataclass(frozen=True)
class RuntimeRules:
    """What the author of a node allows at run time besides data and lower limits.

    `opened`: further names, all of them constructor options. `folder`: where opened paths must lie. `endpoint_keys`:
    for an endpoint (its base URL) the environment variable that holds its key.
    Raises: ConfigError for a name that is not an option, and for an opened path without a folder.
    """

    opened: tuple[str, ...] = ()
    folder: str | None = None
    endpoint_keys: Mapping[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        known = [*self.options, REFERENCES]
        for name in self.opened:
            if name not in known:
                raise ConfigError(
                    f"runtime_inputs names {name!r}, which is not an option: {did_you_mean(name, known)}"
                    f"allowed are {', '.join(known)}"
                )
        paths = [name for name in PATHS if name in self.opened]
        if paths and self.folder is None:
            raise ConfigError(
                f"runtime_inputs opens {paths[0]!r}: set runtime_folder to the folder that run-time paths must lie in"
            )

    def check(self, names: Iterable[str]) -> None:
        """Raise ConfigError for a name that is unknown or refused."""
        allowed = list(dict.fromkeys((*DATA, *LIMITS, *self.opened)))
        for name in names:
            if name in allowed:
                continue
            if name not in self.options:
                raise unknown_input(name, allowed)
            raise ConfigError(
                f"{name!r} was given at run time and is fixed when the node is constructed: "
                f"{did_you_mean(name, allowed)}allowed are {', '.join(allowed)}; "
                f"to allow it, construct the node with runtime_inputs=({name!r},)"
            )

    def confined(self, name: str, path: Any) -> Any:
        """A run-time path inside of `folder`; a relative one is taken from there. Raises: ConfigError."""
        if not isinstance(path, str | os.PathLike):
            return path  # the option's own check says what is wrong with it
        folder = os.path.realpath(self.folder or ".")
        try:
            real = os.path.realpath(os.path.join(folder, os.fspath(path)))  # noqa: PTH118 - a text is what is checked
            inside = real != folder and os.path.commonpath([folder, real]) == folder
        except ValueError:  # a NUL, or another drive
            inside = False
        if not inside:
            raise ConfigError(f"{name!r} given at run time must be in the folder {self.folder!r}; given: {str(path)!r}")
        return real

    def config_of_run(self, config: BatchConfig, changed: Mapping[str, Any]) -> BatchConfig:
        """The config of one execution, with the options that were given for it. Raises: ConfigError."""
        options = dict(changed)
        if "endpoint" in options:
            options["base_url"] = endpoint = options.pop("endpoint")
            if not isinstance(endpoint, str):  # a list may name environment variables, whose keys go elsewhere
                raise ConfigError(f"'endpoint' given at run time must be one URL; given: {type(endpoint).__name__}")
        if "journal" in options:
            options["journal"] = self.confined("journal", options["journal"])
        new = config.with_options(**options)
        self._check_limits(options, config, new)
        foreign: dict[str, Any] = {}
        if new.model != config.model:
            foreign |= _without(_OF_ONE_MODEL, options)
        if new.base_url != config.base_url:
            foreign |= _without(_OF_ONE_ENDPOINT, options)
            if "api_key" not in options:
                # One endpoint's key is none of another's business.
                variable = self.endpoint_keys.get(str(new.base_url))
                foreign["api_key"] = os.environ.get(variable) if variable else None
        return new.with_options(**foreign) if foreign else new

    def _check_limits(self, names: Iterable[str], config: BatchConfig, new: BatchConfig) -> None:
        # Compared as the config understood them: a text such as "1000" is a number there.
        for name in names:
            in_force, wanted = getattr(config, name), getattr(new, name)
            if name not in LIMITS or name in self.opened or in_force is None or wanted <= in_force:
                continue
            raise ConfigError(
                f"{name!r} given at run time may only lower the limit in force, {in_force}; given: {wanted}; to allow "
                f"more, raise it when the node is constructed, or open it with runtime_inputs=({name!r},)"
            )


def _without(names: tuple[str, ...], given: Mapping[str, object]) -> dict[str, None]:
    """These options at None, unless they were given for the run as well."""
    return {name: None for name in names if name in BatchConfig.model_fields and name not in given}


def _same(config: Mapping[str, object], name: str, value: object) -> bool:
    if name not in config:
        return False
    own = config[name]
    # `==` of an array or a table is no bool; such a value is data and counts as chosen.
    return own is value or (type(own) is type(value) and own == value) is True
