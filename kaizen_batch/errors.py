"""Every error of the package, in one tree.

KaizenBatchError                    anything this package raises on purpose
├── ConfigError                     an option or environment variable is wrong (a ValueError too)
├── SignatureError                  a signature cannot be built as written (a TypeError too)
├── BatchError                      on_error="raise": an item failed, and its error is the cause
├── JournalError                    the journal's file cannot be used: locked, damaged, read-only, full, too new
├── RecordError                     a file of rows cannot be read or written (a ValueError too)
├── InputError                      one item's inputs do not fit; no call was made
│   └── ItemTooLargeError           the item alone exceeds a limit or the budget; no call was made
├── NotAttemptedError               the run ended before this item's turn; no call was made
├── StoppedError                    the run was ended from outside, or ran out of time or money
│   ├── DeadlineError               `deadline_s` is over
│   └── BudgetExhaustedError        what is left of `budget_usd` does not cover another call
├── AgentError                      an agent or function of the user's failed
├── OutputError                     there is an answer, and it cannot be used
│   ├── InvalidOutputError          it does not fit the signature; may be asked again
│   ├── TruncatedOutputError        it was cut off by max_tokens
│   └── RefusedOutputError          the model or a content filter refused
└── ProviderError                   an attempt over the wire failed
    ├── BadRequestError             400, 413, 422: this item can never succeed as it is
    │   └── UnsupportedParameterError  a refused parameter that is left out from now on: again at once
    ├── ThrottledError              429: too fast; everyone waits
    ├── ServerError                 408, 409, 5xx, or an answer that makes no sense
    │   └── OverloadedError         503 server_is_overloaded: wait longer
    ├── NoAnswerError               torn connection, time-out; the call may have been billed
    └── FatalError                  the account or set-up is at fault: the whole run ends
        ├── AuthenticationError     401, 403: the key
        ├── ModelNotFoundError      404: the model, or the path of the endpoint
        ├── QuotaExhaustedError     429 with a code that waiting does not mend
        └── EndpointDownError       the endpoint failed every call for too long
"""

import errno
import socket
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, ClassVar

_NETWORK_ERRNOS = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN)

# Classes that were renamed after their names had been written to journals and results.
_TYPE_NAMES = {"ItemTooLargeError": "NeverFitsError", "UnsupportedParameterError": "AdaptedError"}


class KaizenBatchError(Exception):
    """Base of every error of this package.

    `code` names the cause for programs (`"rate_limit_exceeded"`), `retryable` says whether the same item can
    succeed later, `fatal` whether no other item can succeed either, `may_be_billed` whether the endpoint may have done
    the work although no answer came.
    """

    default_code: ClassVar[str] = "error"
    retryable: bool = False
    fatal: ClassVar[bool] = False
    may_be_billed: bool = False

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code

    @property
    def type_name(self) -> str:
        """What `error.type` says in results and journals: a promise to programs that compare it."""
        return _TYPE_NAMES.get(type(self).__name__, type(self).__name__)


class ConfigError(KaizenBatchError, ValueError):
    """An option is unknown, out of range or missing; the message names it, what is allowed and the mend."""

    default_code = "invalid_config"


class SignatureError(KaizenBatchError, TypeError):
    """A signature cannot be built as written."""

    default_code = "invalid_signature"


class BatchError(KaizenBatchError):
    """Raised by a run with `on_error="raise"`; `index` is the failed item's place, `__cause__` its error."""

    default_code = "item_failed"

    def __init__(self, message: str, *, index: int, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.index = index


class RecordError(KaizenBatchError, ValueError):
    """A file of rows cannot be read or written; the message names the file and, where there is one, the row.

    `code` says why: `bad_row` (no row of this format, or too many or few cells), `bad_columns` (names that occur
    twice), `bad_encoding`, `empty_file`, `file_damaged`, `file_missing`, `file_unreadable`, `file_unwritable`,
    `file_busy` (another run writes it), `disk_full`, `new_column` (too late for an output that is on its way),
    `missing_extra` (a library that is not installed).
    """

    default_code = "records"


class InputError(KaizenBatchError):
    """One item's inputs do not fit the signature or template; no call was made."""

    default_code = "invalid_input"


class ItemTooLargeError(InputError):
    """One item alone exceeds a limit (its tokens the window of a minute, its price the budget); no call was made."""

    default_code = "never_fits"


class JournalError(KaizenBatchError):
    """The journal cannot be used; `code` says why, and nothing in it is lost.

    `journal_locked` (another run holds it), `journal_damaged`, `journal_unwritable` (read-only, missing folder),
    `journal_full` (no space left), `journal_version` (written by a later version), `not_a_journal`.
    """

    default_code = "journal"
    fatal = True


class StoppedError(KaizenBatchError):
    """The run was ended: what is done is kept, the rest is `not_attempted`."""

    default_code = "stopped"
    retryable = True
    fatal = True


class DeadlineError(StoppedError):
    """The time of the batch (`deadline_s`) is over."""

    default_code = "deadline_exceeded"


class BudgetExhaustedError(StoppedError):
    """What is left of `budget_usd` does not cover the next call."""

    default_code = "budget_exhausted"


class NotAttemptedError(KaizenBatchError):
    """The run ended before this item's turn; no call was made for it."""

    default_code = "not_attempted"
    retryable = True


class AgentError(KaizenBatchError):
    """An agent or function of the user's raised, or said that it failed; `outputs` is what it gave back."""

    default_code = "agent_failed"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        retryable: bool = False,
        outputs: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message, code=code)
        self.retryable = retryable
        self.outputs = outputs or {}


class OutputError(KaizenBatchError):
    """The model answered, was paid, and the answer cannot be used; the result keeps the raw text."""

    default_code = "unusable_output"


class InvalidOutputError(OutputError):
    """The answer does not fit the signature's outputs; it may be asked again (`max_reasks`)."""

    default_code = "invalid_output"
    retryable = True


class TruncatedOutputError(OutputError):
    """The answer was cut off by `max_tokens` and cannot be read."""

    default_code = "length"


class RefusedOutputError(OutputError):
    """The model refused (`refusal`) or a content filter stopped the answer (`content_filter`)."""

    default_code = "refusal"


class ProviderError(KaizenBatchError):
    """One attempt over the wire failed.

    `status` is the HTTP status or None, `retry_after_s` the seconds the endpoint asks to wait or None, and
    `may_be_billed` says that the endpoint may have done the work although no answer came.
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
        self.headers = headers or {}
        self.retry_after_s = retry_after_s
        if retryable is not None:
            self.retryable = retryable


class BadRequestError(ProviderError):
    """400, 413, 422: the endpoint will never take this item as it is."""

    default_code = "bad_request"


class UnsupportedParameterError(BadRequestError):
    """The endpoint refused a parameter, and the provider has learned to leave it out: the item goes again at once."""

    default_code = "unsupported_parameter"
    retryable = True


class ThrottledError(ProviderError):
    """429: the run is too fast for the endpoint. A signal for the whole run, not for one item."""

    default_code = "rate_limit_exceeded"
    retryable = True


class ServerError(ProviderError):
    """408, 409, 5xx, or an answer that makes no sense: the endpoint's fault, worth another try."""

    default_code = "server_error"
    retryable = True


class OverloadedError(ServerError):
    """503 `server_is_overloaded`: worth another try after a longer wait."""

    default_code = "server_is_overloaded"


class NoAnswerError(ProviderError):
    """The request was sent and no answer came (torn connection, time-out): it may have been billed."""

    default_code = "no_answer"
    retryable = True
    may_be_billed = True


class FatalError(ProviderError):
    """The account or the set-up is at fault: no other item can succeed either, so the run ends."""

    default_code = "fatal"
    fatal = True


class AuthenticationError(FatalError):
    """401, 403: the key is missing, wrong, or lacks a permission."""

    default_code = "invalid_api_key"


class ModelNotFoundError(FatalError):
    """404: the endpoint has no such model, or `base_url` has the wrong path."""

    default_code = "model_not_found"


class QuotaExhaustedError(FatalError):
    """429 with a code that waiting does not mend, such as `insufficient_quota`."""

    default_code = "insufficient_quota"


class EndpointDownError(FatalError):
    """The endpoint failed every call, probes with growing pauses included."""

    default_code = "endpoint_down"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`"did you mean 'x'? "` for the known name nearest to a wrong one, or an empty text if none is near."""
    close = get_close_matches(name, known, n=1)
    return f"did you mean {close[0]!r}? " if close else ""


def as_batch_error(error: Exception) -> KaizenBatchError:
    """Any exception as one of this tree: the one place where foreign errors are told apart.

    A time-out or a broken connection (an `OSError` of the network kind) may pass and is retryable; any other
    foreign exception is a fault that would only repeat itself.
    """
    if isinstance(error, KaizenBatchError):
        return error
    if isinstance(error, TimeoutError):
        return NoAnswerError("no answer within the time limit of the call", code="timeout")
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if isinstance(error, ConnectionError | socket.gaierror) or getattr(error, "errno", None) in _NETWORK_ERRNOS:
        return NoAnswerError(text, code="connection")
    return AgentError(text)
