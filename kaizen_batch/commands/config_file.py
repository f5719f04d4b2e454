"""`--config run.toml`: the options of a command in a file, by their long names."""

import json
import tomllib
from collections.abc import Iterable
from pathlib import Path

import click

from kaizen_batch.commands.parameters import pairs_of
from kaizen_batch.errors import ConfigError, did_you_mean


def read_options(path: Path, command: click.Command, *, also: tuple[str, ...] = ()) -> dict[str, object]:
    """The options in a TOML file, by the names of the command's parameters.

    `max-concurrent` and `max_concurrent` mean the same. `also` are keys of other commands, which share the file, and
    are skipped. Raises: ConfigError for a file that cannot be read, an unknown key, or a table.
    """
    names = names_of(command.params)
    repeatable = {parameter.name for parameter in command.params if getattr(parameter, "multiple", False)}
    foreign = set(also) - names.keys()
    found = {}
    for key, value in _read(path).items():
        if key.replace("-", "_") not in foreign:
            name = _known(key, names, path)
            found[name] = _values(name, value) if name in repeatable else _value(key, value, path)
    return found


def _read(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise ConfigError(f"there is no config file {str(path)!r}: give the path of a TOML file") from None
    except OSError as error:
        raise ConfigError(f"the config file {str(path)!r} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(
            f'the config file {str(path)!r} is not valid TOML: {error}; a line looks like model = "gpt-4o-mini"'
        ) from None


def names_of(parameters: Iterable[click.Parameter]) -> dict[str, str]:
    """Maps each allowed key to the parameter's name."""
    names: dict[str, str] = {}
    for parameter in parameters:
        if not parameter.name or parameter.is_eager:
            continue
        long = [flag.removeprefix("--") for flag in parameter.opts if flag.startswith("--")]
        for spelling in long or [parameter.name]:
            names[spelling.replace("-", "_")] = parameter.name
    return names


def _known(key: str, names: dict[str, str], path: Path) -> str:
    spelling = key.replace("-", "_")
    if spelling in names:
        return names[spelling]
    if spelling.endswith("api_key"):
        raise ConfigError(f"the config file {str(path)!r} must not hold a key ({key!r}): set OPENAI_API_KEY instead")
    hint = did_you_mean(spelling, names).strip() or "a key is the long name of an option of `kaizen-batch run`"
    raise ConfigError(f"the config file {str(path)!r} has an unknown key {key!r}: {hint}")


def _values(name: str, value: object) -> list[object]:
    """The values of an option that can be repeated: one or several; a table as the texts that the option takes."""
    if isinstance(value, dict) and name == "param":
        return list(pairs_of(value))
    if isinstance(value, dict) and name == "header":
        return [f"{header}={text}" for header, text in value.items()]
    values = value if isinstance(value, list) else [value]
    return [json.dumps(each) if isinstance(each, dict) else each for each in values]


def _value(key: str, value: object, path: Path) -> object:
    if isinstance(value, dict):
        raise ConfigError(
            f"the config file {str(path)!r} has a table [{key}]: options belong at the top level, but for [parameters] "
            "and [headers]"
        )
    return value
