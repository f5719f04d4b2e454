"""From the options of a command to what the engine takes: config, template, signature, journal."""

import json
import os
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
from click.core import ParameterSource

from kaizen_batch.agents import Agent, create_agent
from kaizen_batch.commands.command import arguments_of, value_of
from kaizen_batch.commands.parameters import headers_of, parameters_of
from kaizen_batch.config import BatchConfig
from kaizen_batch.errors import ConfigError
from kaizen_batch.files.names import is_stream
from kaizen_batch.files.objects import is_url
from kaizen_batch.files.placeholders import is_template
from kaizen_batch.files.templates import PromptTemplate
from kaizen_batch.journal import Journal

Options = dict[str, Any]
"""The parameters of `run` or `estimate`."""

WITHOUT_CALLS: dict[str, object] = {"api_key": "none"}
"""For `config_of`, where no call is made: no key is needed, but a provider requires one."""

MAX_TOKENS_WITH_BUDGET = 2_000
"""A budget reserves what an answer can cost at most, so it needs a bound."""

_SAME_NAME = (
    *("model", "endpoint_name", "temperature", "max_tokens", "max_concurrent", "adaptive", "hedge_after"),
    *("on_error", "on_truncated", "on_empty", "structured", "pacing", "mode", "finish_by", "detach"),
)
_OTHER_NAME = {
    "provider": "llm_provider",
    "rpm": "requests_per_minute",
    "tpm": "tokens_per_minute",
    "rps": "requests_per_second",
    "rpd": "requests_per_day",
    "budget": "budget_usd",
    "timeout": "timeout_s",
    "deadline": "deadline_s",
    "wait_for_endpoint": "wait_for_endpoint_s",
    "grace": "grace_s",
}


def config_of(options: Options, **more: Any) -> BatchConfig:
    """The config of a run. Raises: ConfigError."""
    given = {name: options[name] for name in _SAME_NAME}
    given.update({ours: options[theirs] for theirs, ours in _OTHER_NAME.items()})
    given["system_prompt"] = options["system"] if system_template(options) is None else None
    given["batches"] = batches_of(options)
    given["parameters"], given["headers"] = parameters_of(options["param"]), headers_of(options["header"])
    given["fallbacks"] = tuple(_fallback(text) for text in options["fallback"])
    given["journal"] = _accepted(journal_of(options), options)
    given["base_url"] = base_url_of(options["base_url"])
    if options["price"]:
        given["price"] = dict(zip(("input", "output"), options["price"], strict=True))
    # What was not given is left to BatchConfig, which asks the environment for the endpoint.
    given = {name: value for name, value in given.items() if value is not None}
    given.setdefault("max_tokens", MAX_TOKENS_WITH_BUDGET if options["budget"] else None)
    return BatchConfig(**given, **more)


def _accepted(journal: Path | None, options: Options) -> Path | None:
    """The journal of a run, whose losses the user may have accepted."""
    if options["accept_loss"] and journal is not None and journal.is_file():
        Journal(journal).accept_loss()
    return journal


def batches_of(options: Options) -> dict[str, object] | None:
    """How batches are cut, paid and polled, as far as options say."""
    price = dict(zip(("input", "output"), options["batch_price"], strict=True)) if options["batch_price"] else None
    given = {"rows": options["batch_rows"], "poll_s": options["batch_poll"], "price": price}
    return {name: value for name, value in given.items() if value is not None} or None


def base_url_of(given: Sequence[str]) -> Any:
    """The endpoint, or several; None for none. Raises: ConfigError."""
    endpoints = list(map(_endpoint, given))
    return endpoints[0] if len(endpoints) == 1 else endpoints or None


def _endpoint(given: str) -> object:
    """A base URL, or the endpoint that JSON describes."""
    if not given.lstrip().startswith("{"):
        return _checked_url(given)
    endpoint = _json_of("--base-url", given)
    if isinstance(endpoint.get("url"), str):
        endpoint["url"] = _checked_url(endpoint["url"])
    return endpoint


def _checked_url(url: str) -> str:
    """A base URL with a scheme. Raises: ConfigError that names the URL that was meant."""
    if "://" not in url:
        scheme = "http" if url.startswith(("localhost", "127.", "0.0.0.0", "[::1]")) else "https"
        raise ConfigError(f"--base-url {url!r} has no scheme: write {scheme}://{url.rstrip('/')}{_missing_path(url)}")
    return url


def url_with_path(url: object) -> str | None:
    """The URL with /v1, for a base URL that has no path: most endpoints need one. None for any other."""
    if not isinstance(url, str) or urlsplit(url).path.strip("/"):
        return None
    return f"{url.rstrip('/')}/v1"


def _missing_path(url: str) -> str:
    return "" if "/" in url.rstrip("/") else "/v1"


def journal_of(options: Options) -> Path | None:
    """The journal: the one that was named, or the one beside the output; None for none."""
    journal: Path | None = options["journal"]
    if journal is not None and options["no_journal"]:
        raise click.UsageError("--journal and --no-journal exclude each other: leave one out")
    if journal is not None or options["no_journal"]:
        return _local(journal)
    if options.get("executor"):
        return None  # the run folder has those of the shards
    return _beside(options)


def _local(journal: Path | None) -> Path | None:
    if journal is not None and is_url(journal.as_posix().replace(":/", "://", 1)):
        raise ConfigError(f"a journal needs a local disk: give --journal a path of this machine, not {str(journal)!r}")
    return journal


def _beside(options: Options) -> Path | None:
    """The journal beside the output. Raises: ConfigError where there is no place for it."""
    output = options["output"]
    if output is not None and is_url(output):
        if not options.get("shard"):  # that of a shard is in the run folder
            raise ConfigError(
                f"a journal needs a local disk, and {output!r} is in an object store: give --journal FILE"
            )
        return None
    return None if output is None or is_stream(output) else Path(f"{output}.journal.db")


def template_of(options: Options) -> PromptTemplate | None:
    """What to ask of each row, or None where the rows have a column `prompt` or `messages` of their own."""
    text, system = _prompt_of(options), system_template(options)
    columns = {"images": options["image"], "files": options["file"], "messages": options["messages"]}
    columns["model"] = options["model_column"]
    if options["messages"] is None and text is None:
        if not (system or any(columns.values())):
            return None
        text = "{prompt}"
    return PromptTemplate(text, system=system, **columns)


def system_template(options: Options) -> str | None:
    """The system prompt, if it names columns; any other is the same for every row."""
    text: str | None = options["system"]
    return text if text is not None and is_template(text) else None


def _prompt_of(options: Options) -> str | None:
    text: str | None = options["prompt"]
    file = options["prompt_file"]
    if text is not None and file is not None:
        raise click.UsageError("--prompt and --prompt-file exclude each other: leave one out")
    return text if file is None else _text_of(file)


def signature_of(options: Options) -> Any:
    """The model of the outputs that `--schema` describes, or None for one text."""
    from kaizen_batch.commands.schema_file import read_schema

    return None if options["schema"] is None else read_schema(options["schema"])


def agent_of(options: Options, config: BatchConfig) -> Agent:
    """The agent of a run. Raises: ConfigError, SignatureError."""
    return create_agent(config, signature_of(options))


def labels_of(ctx: click.Context) -> dict[str, str]:
    """What the journal records of the command, so that it can be repeated."""
    command = shlex.join(["kaizen-batch", "run", *arguments_of(ctx), *_from_environment(ctx)])
    source = ctx.params["input"]
    given = {"input": source if isinstance(source, str) else shlex.join(source), "output": ctx.params["output"]}
    return {"command": command, "folder": str(Path.cwd()), **given}


def again(ctx: click.Context, input: str | None = None, **changes: Any) -> str:
    """The command as it was typed, with another input or with other values of some options."""
    words = arguments_of(ctx)
    given = ctx.params["input"]
    inputs = [given] if isinstance(given, str) else list(given)
    if input is not None and all(name in words for name in inputs):
        words[words.index(inputs[0])] = input
        for name in inputs[1:]:
            words.remove(name)
    for name, value in changes.items():
        words = [*without_option(words, f"--{name.replace('_', '-')}"), f"--{name.replace('_', '-')}", str(value)]
    return shlex.join(["kaizen-batch", "run", *words])


def without_option(words: Iterable[str], flag: str) -> list[str]:
    """The words but for an option with one value, in either spelling."""
    kept: list[str] = []
    rest = iter(words)
    for word in rest:
        if word == flag:
            next(rest, None)
        elif not word.startswith(f"{flag}="):
            kept.append(word)
    return kept


def _from_environment(ctx: click.Context) -> list[str]:
    """The options that came from the environment, as flags: it may be another one the next time."""
    flags: list[str] = []
    for option in ctx.command.params:
        if option.name and ctx.get_parameter_source(option.name) is ParameterSource.ENVIRONMENT:
            flags += _flags(option, value_of(ctx, option.name))
    endpoint = os.environ.get("OPENAI_BASE_URL")
    if endpoint and not ctx.params.get("base_url") and ctx.params.get("provider") == "openai":
        flags += ["--base-url", endpoint]  # a part of each request's key: with another one all rows are asked again
    return flags


def _flags(option: click.Parameter, value: Any) -> list[str]:
    if isinstance(value, bool):
        return option.opts[:1] if value else []
    if option.name == "columns":
        return [option.opts[0], ",".join(value)]
    values = value if isinstance(value, tuple) else (value,)
    if option.nargs > 1:
        return [option.opts[0], *map(str, values)]
    return [word for each in values for word in (option.opts[0], str(each))]


def _fallback(text: str) -> str | dict[str, object]:
    return _json_of("--fallback", text) if text.lstrip().startswith("{") else text


def _json_of(option: str, text: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigError(f"{option} is not valid JSON: {error.msg} at column {error.colno}") from None
    return found


def _text_of(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig").rstrip("\n")
    except FileNotFoundError:
        raise ConfigError(f"there is no prompt file {str(file)!r}: give the path of a text file") from None
    except UnicodeDecodeError:
        raise ConfigError(f"the prompt file {str(file)!r} is not UTF-8: save it as UTF-8") from None
