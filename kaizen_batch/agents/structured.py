"""What concerns a model's answers: the schema that is sent, whether the model follows it, why an answer is none."""

import logging

from kaizen_batch.config import BatchConfig
from kaizen_batch.errors import OutputError, SignatureError
from kaizen_batch.providers import Completion, OutputSchema, Provider, Request
from kaizen_batch.signature import Signature
from kaizen_batch.signature.extraction import has_json

logger: logging.Logger = logging.getLogger(__name__)

_NOT_BY_CHANCE = 10  # answers in a row
_HOPELESS = 20  # first answers of a model, all of which are wrong for one reason


def output_of(signature: type[Signature], config: BatchConfig) -> OutputSchema | None:
    """The schema that is sent. Raises: SignatureError for one that cannot be sent as the config says."""
    schema = signature.answer_schema()
    if schema is None:
        return None
    if config.structured == "strict" and schema.why_not_strict is not None:
        raise SignatureError(
            f'{signature.__name__}: structured="strict" is not possible for this schema, because '
            f'{schema.why_not_strict}; use structured="auto"'
        )
    return OutputSchema(signature.__name__, schema.own, config.structured)


class IgnoredSchema:
    """Notices a model that does not follow the schema that it was sent.

    After ten answers in a row that are no JSON, this is logged, the errors say it, and in the mode "auto" the schema
    goes into the prompt; then it is counted again. If the first twenty answers are JSON and do not fit for one and the
    same reason, more answers would only cost more: the error is fatal.
    """

    def __init__(self, provider: Provider, config: BatchConfig) -> None:
        self._provider = provider
        self._config = config
        self._in_a_row = 0
        self._finding = ""
        self._misfits: int | None = 0  # None as soon as an answer fits, or two differ in their reason
        self._reason = ""

    def obeyed(self) -> None:
        """An answer fits."""
        self._in_a_row, self._finding, self._misfits = 0, "", None

    def judged(self, error: OutputError, text: str) -> OutputError:
        """The error of an answer that does not fit, with what is known of the endpoint."""
        if not text.strip() or has_json(text):
            self._in_a_row = 0
            return error if self._misfits is None else self._misfit(error, self._misfits + 1)
        self._in_a_row += 1
        if self._in_a_row == _NOT_BY_CHANCE:
            self._notice()
        return type(error)(f"{error.message}: {self._finding}", code=error.code) if self._finding else error

    def _misfit(self, error: OutputError, number: int) -> OutputError:
        self._reason = self._reason or error.message
        self._misfits = number if error.message == self._reason and error.retryable else None
        if self._misfits != _HOPELESS:
            return error
        ended = type(error)(f"the first {_HOPELESS} answers do not fit the schema: {error.message}", code=error.code)
        ended.fatal = True
        return ended

    def _notice(self) -> None:
        self._in_a_row, model = 0, self._config.model
        changed = self._config.structured == "auto" and self._provider.schema_ignored(model)
        fix = "the schema is in the prompt from now on" if changed else "choose a model that supports JSON schemas"
        self._finding = f"{_NOT_BY_CHANCE} answers in a row were no JSON: {model} seems to ignore the schema; {fix}"
        logger.warning("%s: %s", self._provider.endpoint, self._finding)


def why_truncated(request: Request, text: str) -> str:
    """Why an answer was cut off, and what to do."""
    limit = f"max_tokens={request.max_tokens}" if request.max_tokens else "the model's limit"
    if request.output is not None and text and not has_json(text):
        return (
            f"the answer was cut off at {limit} and is not JSON: the endpoint seems to ignore the JSON schema; check "
            "that it supports response_format"
        )
    return f"the answer was cut off at {limit}; raise max_tokens"


def why_empty(completion: Completion) -> str:
    """What an answer without text has instead."""
    if completion.finish_reason == "tool_calls":
        return "the answer has no text, only tool calls"
    return f"the answer has no text{', only reasoning' if completion.reasoning else ''}"
