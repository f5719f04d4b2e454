"""What a config adds to every request: further fields of its body, and headers.

A header's value is a name or a secret. `"${NAME}"`, also after a scheme as in `"Bearer ${NAME}"`, names an environment
variable: the name is kept, and the variable is read when the provider is made. Any other value is taken literally, and
is treated like a key: it is never stored, shown or logged.
"""

import json
import math
import os
import re
from collections.abc import Mapping

from pydantic import SecretStr

from kaizen_batch.config.messages import REDACTED
from kaizen_batch.errors import ConfigError

_TAKEN = {
    "model": "use the option model",
    "messages": "they are the items",
    "temperature": "use the option temperature",
    "max_tokens": "use the option max_tokens",
    "max_completion_tokens": "use the option max_tokens, which is sent under the name that the model takes",
    "response_format": "use a signature and the option structured",
    "stream": "answers are read whole",
    "stream_options": "answers are read whole",
    "n": "one answer is read; give the item twice to ask twice",
    "extra_body": "write its fields as parameters",
    "extra_headers": "use the option headers",
}
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VARIABLE = re.compile(r"([A-Za-z][A-Za-z0-9-]* )?\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
# They belong to the HTTP client.
_OURS = frozenset(
    ("host", "content-length", "content-type", "content-encoding", "transfer-encoding", "connection", "accept-encoding")
) | {"expect", "te", "trailer", "upgrade", "keep-alive", "proxy-authorization"}


def checked_parameters(parameters: object) -> dict[str, object]:
    """Fields of the request body. Raises: ValueError for a name that another option sets, or for what is no JSON."""
    if parameters is None:
        return {}
    if not isinstance(parameters, Mapping):
        raise ValueError('must be a dict such as {"reasoning_effort": "low"}')
    for name, value in parameters.items():
        if not isinstance(name, str) or not name:
            raise ValueError(f"must have names that are texts; given: {name!r}")
        if name in _TAKEN:
            raise ValueError(f"must not hold {name!r}: {_TAKEN[name]}")
        _check_json(name, value)
    return dict(parameters)


def _check_json(name: str, value: object) -> None:
    try:
        json.dumps(value, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError):
        raise ValueError(f"must hold JSON values: {name!r} cannot be written as JSON") from None
    if _differs(value):
        raise ValueError(f"must hold JSON values: {name!r} has a dict whose keys are not all texts")


def _differs(value: object) -> bool:
    """Whether JSON would give the value back as another one."""
    if isinstance(value, Mapping):
        return any(not isinstance(key, str) or _differs(inner) for key, inner in value.items())
    if isinstance(value, list | tuple):
        return any(map(_differs, value))
    return isinstance(value, float) and not math.isfinite(value)


def checked_headers(headers: object) -> dict[str, SecretStr]:
    """Headers by name. Raises: ValueError that never shows a value."""
    if headers is None:
        return {}
    if not isinstance(headers, Mapping):
        raise ValueError('must be a dict such as {"X-Project": "${PROJECT}"}')
    checked: dict[str, SecretStr] = {}
    for name, value in headers.items():
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        _check_header(name, text)
        if name.lower() in map(str.lower, checked):
            raise ValueError(f"must hold each header once: {name!r} is given twice")
        checked[name] = SecretStr(text)
    return checked


def _check_header(name: object, value: object) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError("must have names that HTTP allows, such as X-Project")
    if name.lower() in _OURS:
        raise ValueError(f"must not hold {name!r}: the HTTP client sets it")
    if not isinstance(value, str):
        raise ValueError(f"must hold texts: the value of {name!r} is a {type(value).__name__}")
    if value == REDACTED:
        raise ValueError(
            f"hold a placeholder for {name!r}, whose value was not stored: name an environment variable that has it, "
            'as "${NAME}"'
        )
    if "${" in value and not _VARIABLE.fullmatch(value):
        raise ValueError(
            f'must name a variable as "${{NAME}}" or "Scheme ${{NAME}}", with nothing else; {name!r} does not'
        )
    _check_value(name, value)


def _check_value(name: str, value: str) -> None:
    if not value.isascii() or not value.isprintable() or value != value.strip():
        raise ValueError(f"must hold plain ASCII without line breaks or spaces around it: {name!r} does not")


def stored_headers(headers: Mapping[str, SecretStr]) -> dict[str, str]:
    """The headers as a file may hold them: the names of variables, and a placeholder for any other value.

    >>> stored_headers({"X-Key": SecretStr("${MY_KEY}"), "X-Own": SecretStr("s3cret")})
    {'X-Key': '${MY_KEY}', 'X-Own': '***REDACTED***'}
    """
    texts = {name: value.get_secret_value() for name, value in headers.items()}
    return {name: text if _VARIABLE.fullmatch(text) else REDACTED for name, text in texts.items()}


def sent_headers(headers: Mapping[str, SecretStr]) -> dict[str, str]:
    """The headers as they are sent. Raises: ConfigError for a variable that is not set or cannot be sent."""
    return {name: _sent(name, value.get_secret_value()) for name, value in headers.items()}


def _sent(name: str, text: str) -> str:
    named = _VARIABLE.fullmatch(text)
    if named is None:
        return text
    scheme, variable = named.groups()
    value = os.environ.get(variable, "").strip()
    if not value:
        raise ConfigError(f"the header {name!r} needs the environment variable {variable}, which is not set")
    try:
        _check_value(name, value)
    except ValueError:
        raise ConfigError(
            f"the environment variable {variable} cannot be sent as the header {name!r}: it must be plain ASCII "
            "without line breaks"
        ) from None
    return f"{scheme or ''}{value}"


def none_if_left_out(value: object) -> object:
    """None for the word "none", which files and command lines have in its place."""
    return None if isinstance(value, str) and value.strip().lower() == "none" else value
