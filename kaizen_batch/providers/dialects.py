"""What a provider learns of its models: which fields of a request they refuse.

A refusal is a 400 or 422 that names a field. What our own defaults brought in is left out from then on, and the call
is made again without it (UnsupportedParameterError); what the user asked for is never dropped silently: the item fails
with an error that names it. The limit on an answer's length has two names: the other one is tried.
"""

import logging

from kaizen_batch.errors import BadRequestError, ProviderError, UnsupportedParameterError
from kaizen_batch.providers.chat_requests import LENGTHS, STANDARD, Dialect
from kaizen_batch.providers.chat_responses import HttpResponse, error_body, json_of
from kaizen_batch.providers.error_responses import error_from_response
from kaizen_batch.providers.refusals import refused_field

logger: logging.Logger = logging.getLogger(__name__)

_ALWAYS_SENT = ("model", "messages", "stream")
_CODE = "unsupported_parameter"


class Dialects:
    """The dialects of the models of one endpoint."""

    def __init__(self) -> None:
        self._known: dict[str, Dialect] = {}

    def of(self, model: str) -> Dialect | None:
        """How a model takes requests; None if it has refused nothing."""
        return self._known.get(model)

    def learn(self, response: HttpResponse, sent: bytes, *, asked: bool, secret: str) -> None:
        """Learn from a refusal; `asked` says that the user asked for the temperature that was sent.

        Raises: UnsupportedParameterError to send the call again without the field, BadRequestError for a field that the
        user asked for. Returns if the response refuses no field.
        """
        body, request = error_body(response.body), json_of(sent)
        name = refused_field(body, [name for name in request if name not in _ALWAYS_SENT])
        if name is None:
            return
        model = str(request["model"])
        refused = (self._known.get(model) or STANDARD).refused
        other = LENGTHS[name == LENGTHS[0]] if name in LENGTHS else None
        may_drop = name == "temperature" and not asked
        if (may_drop or other is not None) and other not in refused:
            self._refuse(model, refused | {name})
            raise UnsupportedParameterError(f"the model refused {name!r}", status=response.status)
        raise _of_the_user(name, error_from_response(response.status, body, response.headers, secret=secret))

    def _refuse(self, model: str, refused: frozenset[str]) -> None:
        new = sorted(refused - (self._known.get(model) or STANDARD).refused)
        if new:
            self._known[model] = Dialect(refused)
            logger.info("model %s refuses %s; it is no longer sent", model, ", ".join(new))


def _of_the_user(name: str, error: ProviderError) -> BadRequestError:
    """The error for a field that the user asked for."""
    fix = "set temperature=None" if name == "temperature" else "leave it out of parameters"
    if name in LENGTHS:
        fix = "set max_tokens=None"
    return BadRequestError(
        f"{error.message}; the model refuses {name!r}, which was asked for: {fix}", code=_CODE, status=error.status
    )
