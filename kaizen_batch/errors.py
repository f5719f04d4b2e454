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

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import ClassVar

_LONGEST_MESSAGE, _LONGEST_CODE = 10_000, 200  # characters

# Renamed classes whose old names are in journals and results.
_TYPE_NAMES = {"ItemTooLargeError": "NeverFitsError", "UnsupportedParameterError": "AdaptedError"}


class KaizenBatchError(Exception):
    """Base class of all errors of this package.

    >>> class OutOfStockError(AgentError, code="out_of_stock", retryable=True): ...

    `code` identifies the cause for programs (`"rate_limit_exceeded"`). `retryable` says whether the same item can
    succeed later, `fatal` whether every other item would fail too, and `may_be_billed` whether the endpoint may have
    done the work although no answer arrived. A class sets them for its errors, and inherits those that it does not set.
    """

    default_code: ClassVar[str] = "error"
    retryable: bool = False
    fatal: bool = False
    may_be_billed: bool = False

    def __init_subclass__(
        cls, code: str = "", retryable: bool | None = None, fatal: bool = False, may_be_billed: bool = False
    ) -> None:
        super().__init_subclass__()
        cls.default_code = code or cls.default_code
        cls.retryable = cls.retryable if retryable is None else retryable
        cls.fatal = fatal or cls.fatal
        cls.may_be_billed = may_be_billed or cls.may_be_billed

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


class ConfigError(KaizenBatchError, ValueError, code="invalid_config"):
    """An option is unknown, out of range or missing; the message names the option, the allowed values and the fix."""


class SignatureError(KaizenBatchError, TypeError, code="invalid_signature"):
    """A signature is defined incorrectly."""


class BatchError(KaizenBatchError, code="item_failed"):
    """Raised by a run with `on_error="raise"`; `index` is the position of the failed item, `__cause__` its error."""

    def __init__(self, message: str, *, index: int, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.index = index


class IncompleteRunError(KaizenBatchError, code="run_incomplete"):
    """Raised by a node with `on_stop="raise"` whose run ended before its last item.

    `results` are those of all items, including the ones that were not attempted; `summary.stopped` says why it ended.
    """

    def __init__(self, message: str, *, results: Sequence[Mapping[str, object]], summary: object) -> None:
        super().__init__(message)
        self.results = results
        self.summary = summary


class RecordError(KaizenBatchError, ValueError, code="records"):
    """A file of rows cannot be read or written; the message names the file and, where there is one, the row.

    `code` says why: `bad_row` (not a row of this format, or too many or too few cells), `bad_columns` (duplicate
    names), `bad_encoding`, `empty_file`, `file_damaged`, `file_missing`, `file_unreadable`, `file_unwritable`,
    `file_busy` (another run is writing it), `disk_full`, `new_column` (a column that appears after the output was
    begun), `missing_extra` (a library that is not installed).
    """


class InputError(KaizenBatchError, code="invalid_input"):
    """The inputs of one item do not fit the signature or template; no call was made."""


class EarlierFailureError(InputError, code="earlier_failure"):
    """The item failed in an earlier node of a workflow; `type_name`, `message` and `code` are those of that failure."""

    def __init__(self, message: str, *, type: str, code: str, retryable: bool) -> None:
        super().__init__(message, code=code)
        self.retryable = retryable
        self._type = type

    @property
    def type_name(self) -> str:
        """The class name of the first failure."""
        return self._type


class ItemTooLargeError(InputError, code="never_fits"):
    """One item alone exceeds a limit (the tokens per minute, or the budget); no call was made."""


class JournalError(KaizenBatchError, code="journal", fatal=True):
    """The journal cannot be used; `code` says why. Nothing in it is lost.

    `journal_locked` (another run holds it), `journal_damaged`, `journal_unwritable` (read-only, missing folder),
    `journal_full` (no space left), `journal_version` (written by a newer version), `not_a_journal`.
    """


class StoppedError(KaizenBatchError, code="stopped", retryable=True, fatal=True):
    """The run was interrupted: finished items keep their results, the others are `not_attempted`."""


class DeadlineError(StoppedError, code="deadline_exceeded"):
    """The deadline of the batch (`deadline_s`) has passed."""


class BudgetExhaustedError(StoppedError, code="budget_exhausted"):
    """The rest of `budget_usd` does not cover the next call."""


class NotAttemptedError(KaizenBatchError, code="not_attempted", retryable=True):
    """The run ended before this item's turn; no call was made."""


class InBatchError(NotAttemptedError, code="in_batch"):
    """The item is part of a batch that the provider is working on, or waits for its turn in one."""


class AgentError(KaizenBatchError, code="agent_failed"):
    """Your own agent or function raised, or reported a failure; `outputs` is what it returned."""

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


class OutputError(KaizenBatchError, code="unusable_output"):
    """The model answered and was paid, but the answer cannot be used; the result keeps the raw text."""


class InvalidOutputError(OutputError, code="invalid_output", retryable=True):
    """The answer does not fit the signature; it may be re-asked (`max_reasks`)."""


class EmptyOutputError(InvalidOutputError, code="empty_output"):
    """The answer has no text, only reasoning or tool calls perhaps; it may be re-asked (`max_reasks`)."""


class TruncatedOutputError(OutputError, code="length"):
    """The answer was cut off by `max_tokens` and cannot be parsed."""


class RefusedOutputError(OutputError, code="refusal"):
    """The model refused (`refusal`) or a content filter stopped the answer (`content_filter`)."""


class ProviderError(KaizenBatchError, code="provider_error"):
    """One attempt over the network failed.

    `status` is the HTTP status, or None. `retry_after_s` is how long the endpoint asks us to wait, in seconds, or
    None. `may_be_billed` says that the endpoint may have done the work although no answer arrived.
    """

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


class BadRequestError(ProviderError, code="bad_request"):
    """400, 413, 422: the endpoint will never accept this item as it is."""


class UnsupportedParameterError(BadRequestError, code="unsupported_parameter", retryable=True):
    """The endpoint rejected a parameter. The provider omits it from now on, and the call is repeated at once."""


class ThrottledError(ProviderError, code="rate_limit_exceeded", retryable=True):
    """429: the run is too fast for the endpoint. This concerns the whole run, not one item."""


class ServerError(ProviderError, code="server_error", retryable=True):
    """408, 409, 5xx, or a response that cannot be understood: the endpoint's fault, and worth a retry."""


class OverloadedError(ServerError, code="server_is_overloaded"):
    """503 `server_is_overloaded`: worth a retry after a longer wait."""


class NoAnswerError(ProviderError, code="no_answer", retryable=True, may_be_billed=True):
    """The request was sent, but no answer arrived (broken connection, timeout): it may have been billed.

    `connected` is False if no connection could be opened: then nothing was sent.
    """

    connected: bool = True


class FatalError(ProviderError, code="fatal", fatal=True):
    """The account or the setup is wrong. Every other item would fail too, so the run ends."""


class AuthenticationError(FatalError, code="invalid_api_key"):
    """401, 403: the key is missing or wrong, or lacks a permission."""


class ModelNotFoundError(FatalError, code="model_not_found"):
    """404: the endpoint has no such model, or `base_url` has the wrong path."""


class TlsError(FatalError, code="tls"):
    """TLS fails for good; nothing was sent.

    `code` says why: `certificate_expired`, `certificate_wrong_host`, `certificate_unknown_ca`, `certificate` (another
    fault), `not_tls` (the server speaks plain HTTP), `client_certificate` (the server asks for one), `handshake` (the
    server refuses the handshake: it may ask for a client certificate, or for another version of TLS).
    """


class QuotaExhaustedError(FatalError, code="insufficient_quota"):
    """429 with a code that waiting does not fix, such as `insufficient_quota`."""


class EndpointDownError(FatalError, code="endpoint_down"):
    """The endpoint failed every call, even after growing pauses."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`"did you mean 'x'? "` for the closest known name, or an empty text if none is close."""
    close = get_close_matches(name, known, n=1)
    return f"did you mean {close[0]!r}? " if close else ""
