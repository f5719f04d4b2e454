"""The options of an agent node: which belong to the engine, which to the node itself, and which to Kailash."""

import dataclasses
import os
from collections.abc import AsyncIterable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Literal, Protocol, cast

from kaizen_batch.agents import ProviderLike
from kaizen_batch.config import BatchConfig, BatchOptions, Endpoint, EndpointOptions
from kaizen_batch.distributed.ray_executor import RayExecutor
from kaizen_batch.errors import ConfigError, IncompleteRunError, did_you_mean
from kaizen_batch.nodes.executors import executor_of
from kaizen_batch.nodes.kailash_types import EnvironmentSecretProvider, NodeData, SecretProvider
from kaizen_batch.nodes.runtime_inputs import REFERENCES, RuntimeRules
from kaizen_batch.nodes.stored_options import by_path, plain, resolved
from kaizen_batch.results import BatchResult
from kaizen_batch.signature import SignatureLike

INPUTS = ("batch", "prompt", "template", "input_path", "output_path")
METADATA = ("name", "description", "tags", "version", "author")
OBJECTS = ("signature", "provider")
OPTIONS = (*BatchConfig.model_fields, "endpoint")


class NodeOptions(BatchOptions, total=False):
    """The options of an agent node: those of BatchConfig, the inputs that its workflow does not connect, and its own.

    - `on_stop`: `"raise"` fails the node when its run ended before the last item; the cause is an IncompleteRunError
      that has the results. `"return"` (default) returns them; `summary["stopped"]` says why the run ended.
    - `runtime_inputs`: names of options that a workflow may set at run time, besides data and lower limits. Paths given
      at run time must be in `runtime_folder`. An endpoint given at run time gets a key only if `endpoint_keys` (base
      URL -> environment variable) names one.
    - `executor`: `"ray"` runs jobs by path (`input_path`, `run_job`) on a Ray cluster, see docs/scaling.md; with
      `ray_address` (default: a cluster on this machine), `workers`, the shards at once (default: 2), and `run_folder`
      (default: the output's name with `.run`).
    - `api_key_secret`: the name of the key in `secret_provider`, a SecretProvider of Kailash (default: its
      EnvironmentSecretProvider). It is read when the first run starts.
    - `name`, `description`, `tags`, `version`, `author`: Kailash's metadata of the node.
    """

    endpoint: str | Sequence[str | EndpointOptions | Endpoint]
    batch: Iterable[object] | AsyncIterable[object]
    prompt: str
    template: str
    input_path: str | os.PathLike[str]
    output_path: str | os.PathLike[str]
    on_stop: Literal["return", "raise"]
    runtime_inputs: Sequence[str]
    runtime_folder: str | os.PathLike[str] | None
    endpoint_keys: Mapping[str, str]
    executor: Literal["ray"] | None
    ray_address: str | None
    workers: int | None
    run_folder: str | os.PathLike[str] | None
    secret_provider: object
    api_key_secret: str | None
    name: str
    description: str
    tags: Iterable[str]
    version: str
    author: str


class AgentOptions(NodeOptions, total=False):
    """The options of BatchProcessorAgent as one dict."""

    signature: SignatureLike | str | None
    provider: ProviderLike | str | None


class DataclassLike(Protocol):
    """Any instance of a dataclass."""

    __dataclass_fields__: ClassVar[NodeData]


ConfigLike = BatchConfig | AgentOptions | DataclassLike
"""What an agent node takes as `config`."""


@dataclass(frozen=True)
class NodeSettings:
    """The node's own options; NodeOptions describes them."""

    on_stop: Literal["return", "raise"] = "return"
    runtime_inputs: tuple[str, ...] = ()
    runtime_folder: str | os.PathLike[str] | None = None
    endpoint_keys: Mapping[str, str] = field(default_factory=dict)
    executor: Literal["ray"] | None = None
    ray_address: str | None = None
    workers: int | None = None
    run_folder: str | os.PathLike[str] | None = None
    secret_provider: object = None
    api_key_secret: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "runtime_inputs", _names(self.runtime_inputs))
        if self.on_stop not in ("return", "raise"):
            raise ConfigError(f"on_stop must be 'return' or 'raise'; given: {self.on_stop!r}")
        if self.secret_provider is not None and self.api_key_secret is None:
            raise ConfigError("secret_provider needs api_key_secret, the name of the key in it")
        _ = self.rules, self.ray  # a wrong value is an error now

    @cached_property
    def rules(self) -> RuntimeRules:
        """What a graph may set at run time."""
        folder = None if self.runtime_folder is None else os.fspath(self.runtime_folder)
        known = (*OPTIONS, *OBJECTS, *INPUTS)
        return RuntimeRules(self.runtime_inputs, folder, self.endpoint_keys, known)

    @cached_property
    def ray(self) -> RayExecutor | None:
        """What runs jobs by path; None for this process. Raises: ConfigError."""
        return executor_of(self)

    @property
    def allows_references(self) -> bool:
        """Whether items may refer to files, URLs and headers."""
        return REFERENCES in self.runtime_inputs

    def with_secret(self, config: BatchConfig) -> BatchConfig:
        """The config with the key from the secret provider, if one is named. Raises: ConfigError."""
        if self.api_key_secret is None:
            return config
        source = self.secret_provider
        provider = resolved(source) or EnvironmentSecretProvider()
        if not isinstance(provider, SecretProvider):
            raise ConfigError(f"secret_provider must be a SecretProvider of Kailash; given: {provider!r}")
        try:
            key = provider.get_secret(self.api_key_secret)
        except Exception as error:
            raise ConfigError(
                f"{type(provider).__name__} did not give the secret {self.api_key_secret!r}: {type(error).__name__}"
            ) from error
        return config.with_options(api_key=key)

    def check_end(self, result: BatchResult) -> None:
        """Raise IncompleteRunError for a run that ended early, if `on_stop` asks for it."""
        summary = result.summary
        if self.on_stop == "raise" and summary.stopped:
            raise IncompleteRunError(
                f"the run ended before its last item: {summary.stopped} "
                f"({summary.ok} ok, {summary.failed} failed, {summary.not_attempted} not attempted)",
                results=result.results,
                summary=summary,
            )

    def stored(self) -> dict[str, object]:
        """The options that differ from their defaults, as plain JSON where that is possible."""
        changed = {
            each.name: getattr(self, each.name)
            for each in dataclasses.fields(self)
            if getattr(self, each.name) not in (None, (), {}, "return")
        }
        if "secret_provider" in changed:
            changed["secret_provider"] = by_path(changed["secret_provider"])
        return {name: plain(value) for name, value in changed.items()}


NODE_OPTIONS = tuple(each.name for each in dataclasses.fields(NodeSettings))


@dataclass(frozen=True)
class Options:
    """The arguments of an agent node, by whom they are for."""

    config: object
    engine: NodeData
    node: NodeData
    inputs: dict[str, object]
    objects: dict[str, object]
    kailash: dict[str, object]


_OWNERS = {
    **dict.fromkeys(OPTIONS, "engine"),
    **dict.fromkeys(NODE_OPTIONS, "node"),
    **dict.fromkeys(INPUTS, "inputs"),
    **dict.fromkeys(OBJECTS, "objects"),
    **dict.fromkeys(METADATA, "kailash"),
}


def split_options(config: object, given: NodeData) -> Options:
    """Sort what the constructor was given; a `config` that is a dict may hold any of it. Raises: ConfigError."""
    if isinstance(config, dict):
        given = {**config, **{name: value for name, value in given.items() if name not in config or value is not None}}
        config = None
    options = Options(config, {}, {}, {}, {}, {})
    for name, value in given.items():
        owner = _owner(name)
        if value is not None or owner == "engine":  # None is a value of some options of a model
            getattr(options, owner)[name] = value
    return options


def _owner(name: str) -> str:
    if name.startswith("_"):
        return "kailash"
    if name not in _OWNERS:
        raise ConfigError(f"unknown option {name!r}: {did_you_mean(name, _OWNERS)}allowed are {', '.join(_OWNERS)}")
    return _OWNERS[name]


def _names(given: object) -> tuple[str, ...]:
    names = tuple(given) if isinstance(given, list | tuple | set | frozenset) else (None,)
    if not all(isinstance(name, str) for name in names):
        raise ConfigError(f"runtime_inputs must be a list of names of options; given: {given!r}")
    return cast(tuple[str, ...], names)


def as_batch_config(config: object, options: NodeData) -> BatchConfig:
    """The BatchConfig of what a user passes: one, a dataclass with fields of its names, None. Raises: ConfigError."""
    given = named(options)
    if config is None:
        return BatchConfig(**given)
    if isinstance(config, BatchConfig):
        return config.with_options(**given) if given else config
    return BatchConfig(**cast(BatchOptions, {**_fields_of(config), **given}))


def _fields_of(config: object) -> NodeData:
    """The options in a user's dataclass: other fields are ignored, and those at None keep the default."""
    if isinstance(config, type) or not dataclasses.is_dataclass(config):
        raise ConfigError(
            f"config must be a BatchConfig, a dict of its options, or a dataclass with such fields; "
            f"given: {config.__name__ if isinstance(config, type) else type(config).__name__}"
        )
    values = {each.name: getattr(config, each.name) for each in dataclasses.fields(config)}
    return {name: value for name, value in values.items() if name in BatchConfig.model_fields and value is not None}


def named(options: Mapping[str, object]) -> BatchOptions:
    """Options with `endpoint`, the name that survives serialization, as `base_url`."""
    renamed = {name: value for name, value in options.items() if name != "endpoint"}
    if options.get("endpoint") is not None:
        renamed["base_url"] = options["endpoint"]
    return cast(BatchOptions, renamed)


def reconfigured(config: BatchConfig, stored: Mapping[str, Any], current: Mapping[str, Any]) -> BatchConfig:
    """The config with what has been changed in `node.config`: `Workflow.add_node(id, node, model=...)` writes there."""
    changed = {name: current[name] for name in OPTIONS if name in current and current[name] != stored.get(name)}
    return config.with_options(**named(changed)) if changed else config
