"""The text of a ConfigError: the option, the value given, and what is allowed."""

from collections.abc import Mapping, Sequence

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from kaizen_batch.errors import did_you_mean
from kaizen_batch.limits.retries import RetryPolicy

# Their values are not shown; those of parameters may be prompts.
_SECRET = ("api_key", "provider_options", "fallbacks", "headers", "parameters")

REDACTED = "***REDACTED***"
"""The placeholder for keys and endpoints in a workflow that Kailash serialized."""


def explain(error: ValidationError, options: Mapping[str, object], known: list[str]) -> str:
    """The message for options that pydantic rejected. It never shows the value of a secret."""
    problems = [_explain_one(each, options, known) for each in error.errors(include_url=False, include_input=False)]
    return "; ".join(dict.fromkeys(problems))


def _explain_one(details: ErrorDetails, options: Mapping[str, object], known: list[str]) -> str:
    name = ".".join(str(part) for part in details["loc"])
    if details["type"] == "extra_forbidden":
        return _unknown_option(name, known)
    message = details["msg"].removeprefix("Value error, ")
    if not name:
        return f"option 'fallbacks' is invalid: {message}"
    if name.partition(".")[0] in _SECRET or (name == "endpoint_name" and name not in options):
        return f"option {name!r} is invalid: {message}"
    given = _shown(options, name) if name.partition(".")[0] in options else "the value from the environment"
    return f"option {name!r} is invalid: {message}; given: {given}"


def _shown(options: Mapping[str, object], name: str) -> str:
    value: object = options
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else getattr(value, part, None)
    if name == "base_url" and isinstance(value, Mapping | Sequence) and not isinstance(value, str):
        return "a list of endpoints"  # one of them may hold a key where it does not belong
    if name == "base_url" and ("@" in str(value) or "?" in str(value)):
        return "(a URL that may hold a secret)"
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _unknown_option(name: str, known: list[str]) -> str:
    if name.startswith("retry."):
        known = [f"retry.{option}" for option in RetryPolicy.model_fields]
    return f"unknown option {name!r}: {did_you_mean(name, known)}allowed are {', '.join(known)}"


def redacted(name: str) -> str:
    """The message for an option that is still Kailash's placeholder."""
    variable = {"api_key": "OPENAI_API_KEY", "base_url": "OPENAI_BASE_URL"}.get(name, name.upper())
    return (
        f"option {name!r} is {REDACTED!r}, the placeholder in a serialized workflow: "
        f"remove it there and set {variable} in the environment"
    )
