"""All errors of the package, in one tree.

KaizenBatchError                    base class of everything this package raises on purpose
├── ConfigError                     an option or environment variable is invalid (also a ValueError)
├── SignatureError                  a signature is defined incorrectly (also a TypeError)
├── BatchError                      on_error="raise": an item failed, and its error is the cause
├── IncompleteRunError              on_stop="raise": the run ended before its last item; it has the results
├── JournalError                    the journal file cannot be used: locked, damaged, read-only, full, too new
├── RecordError                     a file of rows cannot be read or written (also a ValueError)
├── InputError                      the inputs of one item are invalid; no call was made
│   ├── EarlierFailureError         the item failed in an earlier node of the workflow; no call was made
│   └── ItemTooLargeError           the item alone exceeds a limit or the budget; no call was made
├── NotAttemptedError               the run ended before this item's turn; no call was made
│   └── InBatchError                the item waits for the answer of its batch
├── StoppedError                    the run was interrupted, or ran out of time or money
│   ├── DeadlineError               `deadline_s` has passed
│   └── BudgetExhaustedError        the rest of `budget_usd` does not cover another call
├── AgentError                      your own agent or function failed
├── OutputError                     there is an answer, but it cannot be used
│   ├── InvalidOutputError          it does not fit the signature; it may be re-asked
│   │   └── EmptyOutputError        it has no text; it may be re-asked
│   ├── TruncatedOutputError        it was cut off by max_tokens
│   └── RefusedOutputError          the model or a content filter refused
└── ProviderError                   an attempt over the network failed
    ├── BadRequestError             400, 413, 422: this item cannot succeed as it is
    │   └── UnsupportedParameterError  the model rejects a parameter; the call is repeated without it
    ├── ThrottledError              429: too many calls; all workers pause
    ├── ServerError                 408, 409, 5xx, or a response that cannot be understood
    │   └── OverloadedError         503 server_is_overloaded: wait longer
    ├── NoAnswerError               broken connection or timeout; the call may have been billed
    └── FatalError                  the account or the setup is wrong: the whole run ends
        ├── AuthenticationError     401, 403: the key
        ├── ModelNotFoundError      404: the model, or the path of the endpoint
        ├── TlsError                the certificate is not valid, or the server does not speak TLS
        ├── QuotaExhaustedError     429 with a code that waiting does not fix
        └── EndpointDownError       the endpoint failed every call for too long
"""

import errno
import socket
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import ClassVar

_NETWORK_ERRNOS = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN)

_LONGEST_MESSAGE, _LONGEST_CODE = 10_000, 200  # characters

# Renamed classes whose old names are in journals and results.
_TYPE_NAMES = {"ItemTooLargeError": "NeverFitsError", "UnsupportedParameterError": "AdaptedError"}


class KaizenBatchError(Exception):
    """Base class of all errors of this package.

    `code` identifies the cause for programs (`"rate_limit_exceeded"`). `retryable` says whether the same item can
    succeed later, `fatal` whether every other item would fail too, and `may_be_billed` whether the endpoint may have
    done the work although no answer arrived.
    """

    default_code: ClassVar[str] = "error"
    retryable: bool = False
    fatal: bool = False
    may_be_billed: bool = False

    def __init__(self, message: str, *, code: str | None = None) -> None:
        if len(message) > _LONGEST_MESSAGE:  # each failed item keeps its own
            message = f"{message[: _LONGEST_MESSAGE - 1]}…"
        super().__init__(message)
        self.message: str = message
        self.code: str = (code or self.default_code)[:_LONGEST_CODE]

    @property
    def type_name(self) -> str:
        """The value of `error.type` in results and journals. Programs compare it, so it never changes."""
        return _TYPE_NAMES.get(type(self).__name__, type(self).__name__)


class ConfigError(KaizenBatchError, ValueError):
    """An option is unknown, out of range or missing; the message names the option, the allowed values and the fix."""

    default_code = "invalid_config"


class SignatureError(KaizenBatchError, TypeError):
    """A signature is defined incorrectly."""

    default_code = "invalid_signature"


class BatchError(KaizenBatchError):
    """Raised by a run with `on_error="raise"`; `index` is the position of the failed item, `__cause__` its error."""

    default_code = "item_failed"

    def __init__(self, message: str, *, index: int, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.index = index


class IncompleteRunError(KaizenBatchError):
    """Raised by a node with `on_stop="raise"` whose run ended before its last item.

    `results` are those of all items, including the ones that were not attempted; `summary.stopped` says why it ended.
    """

    default_code = "run_incomplete"

    def __init__(self, message: str, *, results: Sequence[Mapping[str, object]], summary: object) -> None:
        super().__init__(message)
        self.results = results
        self.summary = summary


class RecordError(KaizenBatchError, ValueError):
    """A file of rows cannot be read or written; the message names the file and, where there is one, the row.

    `code` says why: `bad_row` (not a row of this format, or too many or too few cells), `bad_columns` (duplicate
    names), `bad_encoding`, `empty_file`, `file_damaged`, `file_missing`, `file_unreadable`, `file_unwritable`,
    `file_busy` (another run is writing it), `disk_full`, `new_column` (a column that appears after the output was
    begun), `missing_extra` (a library that is not installed).
    """

    default_code = "records"


class InputError(KaizenBatchError):
    """The inputs of one item do not fit the signature or template; no call was made."""

    default_code = "invalid_input"


class EarlierFailureError(InputError):
    """The item failed in an earlier node of a workflow; `type_name`, `message` and `code` are those of that failure."""

    default_code = "earlier_failure"

    def __init__(self, message: str, *, type: str, code: str, retryable: bool) -> None:
        super().__init__(message, code=code)
        self.retryable = retryable
        self._type = type

    @property
    def type_name(self) -> str:
        """The class name of the first failure."""
        return self._type


class ItemTooLargeError(InputError):
    """One item alone exceeds a limit (the tokens per minute, or the budget); no call was made."""

    default_code = "never_fits"


class JournalError(KaizenBatchError):
    """The journal cannot be used; `code` says why. Nothing in it is lost.

    `journal_locked` (another run holds it), `journal_damaged`, `journal_unwritable` (read-only, missing folder),
    `journal_full` (no space left), `journal_version` (written by a newer version), `not_a_journal`.
    """

    default_code = "journal"
    fatal = True


class StoppedError(KaizenBatchError):
    """The run was interrupted: finished items keep their results, the others are `not_attempted`."""

    default_code = "stopped"
    retryable = True
    fatal = True


class DeadlineError(StoppedError):
    """The deadline of the batch (`deadline_s`) has passed."""

    default_code = "deadline_exceeded"


class BudgetExhaustedError(StoppedError):
    """The rest of `budget_usd` does not cover the next call."""

    default_code = "budget_exhausted"


class NotAttemptedError(KaizenBatchError):
    """The run ended before this item's turn; no call was made."""

    default_code = "not_attempted"
    retryable = True


class InBatchError(NotAttemptedError):
    """The item is part of a batch that the provider is working on, or waits for its turn in one."""

    default_code = "in_batch"


class AgentError(KaizenBatchError):
    """Your own agent or function raised, or reported a failure; `outputs` is what it returned."""

    default_code = "agent_failed"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        retryable: bool = False,
        outputs: dict[str, object] | None = None,
    ) -> None:
        super().__init__(message, code=code)
        self.retryable = retryable
        self.outputs: dict[str, object] = outputs or {}


class OutputError(KaizenBatchError):
    """The model answered and was paid, but the answer cannot be used; the result keeps the raw text."""

    default_code = "unusable_output"


class InvalidOutputError(OutputError):
    """The answer does not fit the signature; it may be re-asked (`max_reasks`)."""

    default_code = "invalid_output"
    retryable = True


class EmptyOutputError(InvalidOutputError):
    """The answer has no text, only reasoning or tool calls perhaps; it may be re-asked (`max_reasks`)."""

    default_code = "empty_output"


class TruncatedOutputError(OutputError):
    """The answer was cut off by `max_tokens` and cannot be parsed."""

    default_code = "length"


class RefusedOutputError(OutputError):
    """The model refused (`refusal`) or a content filter stopped the answer (`content_filter`)."""

    default_code = "refusal"


class ProviderError(KaizenBatchError):
    """One attempt over the network failed.

    `status` is the HTTP status, or None. `retry_after_s` is how long the endpoint asks us to wait, in seconds, or
    None. `may_be_billed` says that the endpoint may have done the work although no answer arrived.
    """

    default_code = "provider_error"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        status: int | None = None,
        retry_after_s: float | None = None,
        retryable: bool | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message, code=code)
        self.status = status
        self.headers: Mapping[str, str] = headers or {}
        self.retry_after_s = retry_after_s
        if retryable is not None:
            self.retryable = retryable


class BadRequestError(ProviderError):
    """400, 413, 422: the endpoint will never accept this item as it is."""

    default_code = "bad_request"


class UnsupportedParameterError(BadRequestError):
    """The endpoint rejected a parameter. The provider omits it from now on, and the call is repeated at once."""

    default_code = "unsupported_parameter"
    retryable = True


class ThrottledError(ProviderError):
    """429: the run is too fast for the endpoint. This concerns the whole run, not one item."""

    default_code = "rate_limit_exceeded"
    retryable = True


class ServerError(ProviderError):
    """408, 409, 5xx, or a response that cannot be understood: the endpoint's fault, and worth a retry."""

    default_code = "server_error"
    retryable = True


class OverloadedError(ServerError):
    """503 `server_is_overloaded`: worth a retry after a longer wait."""

    default_code = "server_is_overloaded"


class NoAnswerError(ProviderError):
    """The request was sent, but no answer arrived (broken connection, timeout): it may have been billed.

    `connected` is False if no connection could be opened: then nothing was sent.
    """

    default_code = "no_answer"
    connected: bool = True
    retryable = True
    may_be_billed = True


class FatalError(ProviderError):
    """The account or the setup is wrong. Every other item would fail too, so the run ends."""

    default_code = "fatal"
    fatal = True


class AuthenticationError(FatalError):
    """401, 403: the key is missing or wrong, or lacks a permission."""

    default_code = "invalid_api_key"


class ModelNotFoundError(FatalError):
    """404: the endpoint has no such model, or `base_url` has the wrong path."""

    default_code = "model_not_found"


class TlsError(FatalError):
    """TLS fails for good; nothing was sent.

    `code` says why: `certificate_expired`, `certificate_wrong_host`, `certificate_unknown_ca`, `certificate` (another
    fault), `not_tls` (the server speaks plain HTTP), `client_certificate` (the server asks for one), `handshake` (the
    server refuses the handshake: it may ask for a client certificate, or for another version of TLS).
    """

    default_code = "tls"


class QuotaExhaustedError(FatalError):
    """429 with a code that waiting does not fix, such as `insufficient_quota`."""

    default_code = "insufficient_quota"


class EndpointDownError(FatalError):
    """The endpoint failed every call, even after growing pauses."""

    default_code = "endpoint_down"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`"did you mean 'x'? "` for the closest known name, or an empty text if none is close."""
    close = get_close_matches(name, known, n=1)
    return f"did you mean {close[0]!r}? " if close else ""


def as_batch_error(error: Exception) -> KaizenBatchError:
    """Convert any exception to one of this tree. Foreign exceptions are classified only here.

    A timeout or a broken connection (a network `OSError`) may be temporary, so it is retryable. Any other foreign
    exception would only repeat itself.
    """
    if isinstance(error, KaizenBatchError):
        return error
    if isinstance(error, TimeoutError):
        return NoAnswerError("no answer within the time limit of the call", code="timeout")
    said = str(error)[:_LONGEST_MESSAGE]
    text = f"{type(error).__name__}: {said}" if said else type(error).__name__
    if isinstance(error, ConnectionError | socket.gaierror) or getattr(error, "errno", None) in _NETWORK_ERRNOS:
        return NoAnswerError(text, code="connection")
    return AgentError(text)
