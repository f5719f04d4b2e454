"""Where a model is served: the check of a base URL, and several endpoints with their weights and limits."""

import os
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kaizen_batch.errors import did_you_mean

EXAMPLE = '["http://a:8000/v1", {"url": "http://b:8000/v1", "weight": 2}]'


class Endpoint(BaseModel):
    """One of several endpoints that serve a model.

    `url` is its base URL, `weight` its share of the calls at once beside the others. The limits are its own, in
    addition to those of the run. `api_key_env` names the environment variable that holds its key, if it has its own.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    url: str
    weight: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    max_concurrent: int | None = Field(default=None, ge=1, le=100_000)
    requests_per_second: int | None = Field(default=None, ge=1)
    requests_per_minute: int | None = Field(default=None, ge=1)
    requests_per_day: int | None = Field(default=None, ge=1)
    tokens_per_minute: int | None = Field(default=None, ge=1)
    api_key_env: str | None = Field(default=None, min_length=1)

    def options(self) -> dict[str, Any]:
        """The options of a config for this endpoint alone, as far as they differ."""
        names = ("requests_per_second", "requests_per_minute", "requests_per_day", "tokens_per_minute")
        found: dict[str, Any] = {"base_url": self.url, **{name: getattr(self, name) for name in names}}
        if self.max_concurrent is not None:
            found["max_concurrent"] = self.max_concurrent
        if self.api_key_env is not None:
            found["api_key"] = os.environ.get(self.api_key_env)
        return found


BaseUrl = str | tuple[Endpoint, ...]


def first_url(base_url: BaseUrl | None) -> str | None:
    """The base URL, or the first of several."""
    return base_url[0].url if isinstance(base_url, tuple) else base_url


def checked_base_url(given: object) -> BaseUrl | None:
    """What `base_url` may be: a URL, or several. Raises: ValueError."""
    if given is None:
        return None
    if isinstance(given, str):
        return _checked_url(given)
    if isinstance(given, Mapping | Endpoint):
        given = [given]
    if not isinstance(given, Sequence) or isinstance(given, bytes):
        raise ValueError(f"must be a URL such as https://api.openai.com/v1, or a list of several: {EXAMPLE}")
    endpoints = _distinct(tuple(map(_endpoint, given)))
    return endpoints[0].url if endpoints == (Endpoint(url=endpoints[0].url),) else endpoints


def _distinct(endpoints: tuple[Endpoint, ...]) -> tuple[Endpoint, ...]:
    if not endpoints:
        raise ValueError("must name at least one endpoint; the list is empty")
    urls = [endpoint.url for endpoint in endpoints]
    twice = next((url for url in urls if urls.count(url) > 1), None)
    if twice is not None:
        raise ValueError(f"names the endpoint {twice} twice; to send it more calls, give it a weight: {EXAMPLE}")
    return endpoints


def _checked_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be a URL such as https://api.openai.com/v1")
    if parts.username or parts.password:
        raise ValueError("must not contain a user name or password; pass the key as api_key")
    if parts.query or parts.fragment:
        raise ValueError("must not contain a query")
    return url.rstrip("/")


def _endpoint(given: object) -> Endpoint:
    if isinstance(given, Endpoint):
        return given
    options = {"url": given} if isinstance(given, str) else given
    if not isinstance(options, Mapping) or not isinstance(options.get("url"), str):
        raise ValueError(f"must list URLs, or dicts that have a 'url': {EXAMPLE}")
    try:
        return Endpoint(**{**options, "url": _checked_url(options["url"])})
    except ValidationError as error:
        raise ValueError(_explained(error, list(options))) from None


def _explained(error: ValidationError, given: list[str]) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    name = str(first["loc"][0])
    if first["type"] == "extra_forbidden":
        hint = did_you_mean(name, Endpoint.model_fields)
        if name == "api_key":
            return "must not hold 'api_key': name an environment variable that holds it as 'api_key_env'"
        return f"holds an unknown option {name!r}: {hint}allowed are {', '.join(Endpoint.model_fields)}"
    return f"holds a wrong {name!r}: {first['msg']}"
