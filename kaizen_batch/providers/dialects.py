"""What a provider learns of its models: which fields of a request they refuse.

A refusal is a 400 or 422 that names a field. What our own defaults brought in is left out from then on, and the call
is made again without it (UnsupportedParameterError); what the user asked for is never dropped silently: the item fails
with an error that names it. The limit on an answer's length has two names: the other one is tried.
"""

import logging
from collections.abc import Callable

from kaizen_batch.errors import BadRequestError, ProviderError, UnsupportedParameterError
from kaizen_batch.providers.base import Request
from kaizen_batch.providers.chat_requests import LENGTHS, RUNGS, STANDARD, Dialect
from kaizen_batch.providers.chat_responses import HttpResponse, error_body, json_of
from kaizen_batch.providers.error_responses import error_from_response
from kaizen_batch.providers.refusals import refused_field, refuses_schema, says_schema_is_wrong

logger: logging.Logger = logging.getLogger(__name__)

_ALWAYS_SENT = ("model", "messages", "stream")
_CODE = "unsupported_parameter"


class Dialects:
    """The dialects of the models of one endpoint."""

    def __init__(self) -> None:
        self._known: dict[str, Dialect] = {}
        self.of: Callable[[str], Dialect | None] = self._known.get
        """How a model takes requests; None if it has refused nothing."""

    def learn(self, response: HttpResponse, sent: bytes, asked: Request | None, secret: str) -> None:
        """Learn from a refusal; `asked` is the request, where the user has chosen how it is sent.

        Raises: UnsupportedParameterError to send the call again in another way, BadRequestError for a field that the
        user asked for. Returns if the response refuses no field.
        """
        body, sent_body = error_body(response.body), json_of(sent)
        name = _refused(body, sent_body, asked)
        if name is None:
            return
        model = str(sent_body["model"])
        known = self._known.get(model) or STANDARD
        if name == "response_format":
            learned = _lower(known, sent_body[name], body) if asked is not None and _may_change(asked) else None
        else:
            learned = self._without(name, known, asked)
        if learned is None:
            raise _of_the_user(name, error_from_response(response.status, body, response.headers, secret=secret))
        self._know(model, learned)
        raise UnsupportedParameterError(f"the model refused {name!r}", status=response.status)

    def _without(self, name: str, known: Dialect, asked: Request | None) -> Dialect | None:
        """The dialect without a field, if it is not one that the user asked for."""
        other = LENGTHS[name == LENGTHS[0]] if name in LENGTHS else None
        may_drop = name == "temperature" and (asked is None or not asked.asked)
        return (
            known._replace(refused=known.refused | {name}) if may_drop or other not in (None, *known.refused) else None
        )

    def schema_ignored(self, model: str) -> bool:
        """Put the schema into the prompt from now on; whether it was not there already."""
        known = self._known.get(model) or STANDARD
        self._know(model, known._replace(rung=len(RUNGS) - 1))
        return known.rung < len(RUNGS) - 1

    def _know(self, model: str, learned: Dialect) -> None:
        known = self._known.get(model) or STANDARD
        if learned != known:
            self._known[model] = learned
            new = ", ".join(sorted(learned.refused - known.refused)) or "the way in which the schema is sent"
            logger.info("model %s refuses %s; it is no longer sent so", model, new)


def _refused(body: object, sent: dict[str, object], asked: Request | None) -> str | None:
    """The field that is refused; one that carries the schema may be named in many ways."""
    if asked is not None and asked.output is not None and "response_format" in sent and refuses_schema(body):
        return "response_format"
    return refused_field(body, [name for name in sent if name not in _ALWAYS_SENT])


def _may_change(asked: Request) -> bool:
    """Whether the way in which the schema is sent was left to us."""
    return asked.output is not None and asked.output.mode == "auto"


def _lower(known: Dialect, sent: object, body: object) -> Dialect:
    """The dialect with the rung after the one on which a schema was sent, by what the refusal says."""
    schema = sent.get("json_schema") if isinstance(sent, dict) else None
    if not isinstance(schema, dict):
        rung = "prompt"
    else:
        rung = "schema" if schema.get("strict") and says_schema_is_wrong(body) else "json_object"
    return known._replace(rung=max(known.rung, RUNGS.index(rung)))


def _of_the_user(name: str, error: ProviderError) -> BadRequestError:
    """The error for a field that the user asked for."""
    fix = "set temperature=None" if name == "temperature" else "leave it out of parameters"
    if name in LENGTHS:
        fix = "set max_tokens=None"
    if name == "response_format":
        fix = 'set structured="auto"'
    return BadRequestError(
        f"{error.message}; the model refuses {name!r}, which was asked for: {fix}", code=_CODE, status=error.status
    )
