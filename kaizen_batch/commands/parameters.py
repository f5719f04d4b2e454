"""The options `--param NAME=VALUE` and `--header NAME=VALUE`, and numbers that may be `none`."""

import json
import re
from collections.abc import Iterable
from typing import Any

import click

from kaizen_batch.config.messages import REDACTED
from kaizen_batch.config.requests import checked_headers, stored_headers
from kaizen_batch.errors import ConfigError


class OrNone(click.ParamType[object]):
    """A number of another type, or the word `none`: it is then left out of requests."""

    def __init__(self, number: click.ParamType[Any]) -> None:
        self._number = number
        self.name: str = f"{number.name}|none"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> object:
        """click: the number, or "none"."""
        if isinstance(value, str) and value.strip().lower() == "none":
            return "none"
        return self._number.convert(value, param, ctx)


def parameters_of(pairs: Iterable[str]) -> dict[str, object]:
    """The parameters in texts such as `seed=7`; a value that is no JSON is a text. Raises: ConfigError.

    >>> parameters_of(["seed=7", "reasoning_effort=low", 'stop=["END"]'])
    {'seed': 7, 'reasoning_effort': 'low', 'stop': ['END']}
    """
    return {name: _value(text) for name, text in _pairs(pairs, "--param", "seed=7")}


def headers_of(pairs: Iterable[str]) -> dict[str, str]:
    """The headers in texts such as `X-Key=${MY_KEY}`. Raises: ConfigError, also for a literal value.

    A command line is kept by the shell's history and by the journal, so it may only name where a value is.
    """
    headers = dict(_pairs((re.sub(r"^([^=:]+):\s*", r"\1=", pair) for pair in pairs), "--header", "'X-Key=${MY_KEY}'"))
    try:
        stored = stored_headers(checked_headers(headers))
    except ValueError as error:
        raise ConfigError(f"--header {error}") from None
    literal = next((name for name, text in stored.items() if text == REDACTED), None)
    if literal is not None:
        raise ConfigError(
            f"--header {literal} has a literal value, which the shell's history and the journal would keep: put it "
            f"into an environment variable and name that, in single quotes: --header '{literal}=${{NAME}}'"
        )
    return headers


def _pairs(texts: Iterable[str], flag: str, example: str) -> Iterable[tuple[str, str]]:
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise ConfigError(f"{flag} is written NAME=VALUE, such as {flag} {example}")
        if name.strip() in found:
            raise ConfigError(f"{flag} {name.strip()} is given twice")
        found[name.strip()] = value.strip()
    return found.items()


def _value(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text


def pairs_of(table: dict[str, object]) -> list[str]:
    """A table of a config file as such texts."""
    return [f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in table.items()]
