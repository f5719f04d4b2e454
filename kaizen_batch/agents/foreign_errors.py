"""The exceptions of users' code and of libraries, as errors of this package."""

import errno
import socket

from kaizen_batch.errors import AgentError, KaizenBatchError, NoAnswerError

_NETWORK_ERRNOS = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN)
_LONGEST_MESSAGE = 10_000  # characters; an error keeps no more


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
