"""What a failed connection or an unreadable response means: the error that says what happened, and whether to retry.

The same for every client: the causes of an exception are followed down to those of the operating system and of TLS.
"""

import errno
import socket
import ssl
from collections.abc import Iterator

from kaizen_batch.errors import (
    AuthenticationError,
    BadRequestError,
    NoAnswerError,
    ProviderError,
    TlsError,
)
from kaizen_batch.providers.http.base import Target
from kaizen_batch.providers.http.frames import ResponseError, ResponseTooLargeError

_UNKNOWN_NAME = (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME))
_UNREACHABLE = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN)
_RESET = (errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED)
# OpenSSL's `verify_code` of a certificate.
_CERTIFICATE_FAULTS = {
    10: ("certificate_expired", "has expired"),
    9: ("certificate_expired", "is not valid yet"),
    62: ("certificate_wrong_host", "is for another host name"),
    64: ("certificate_wrong_host", "is for another address"),
    18: ("certificate_unknown_ca", "is self-signed"),
    19: ("certificate_unknown_ca", "is signed by a certificate authority that is not trusted"),
    20: ("certificate_unknown_ca", "is signed by a certificate authority that is not trusted"),
    21: ("certificate_unknown_ca", "is signed by a certificate authority that is not trusted"),
}
_NOT_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL")
# What both sides can do has no version or cipher in common; TLS 1.2 refuses a missing client certificate like that too.
_HANDSHAKE = (
    "ALERT_HANDSHAKE_FAILURE",
    "ALERT_PROTOCOL_VERSION",
    "ALERT_INSUFFICIENT_SECURITY",
    "UNSUPPORTED_PROTOCOL",
    "NO_PROTOCOLS_AVAILABLE",
)
_CLIENT_CERTIFICATE = ("CERTIFICATE_REQUIRED", "HANDSHAKE_FAILURE_CERTIFICATE", "BAD_CERTIFICATE")


def connect_error(target: Target, error: BaseException) -> ProviderError:
    """The error for a connection that could not be opened: nothing was sent, so nothing can be billed."""
    failure = _proxy_error(error) or _tls_error(target, error) or _network_error(target, error)
    failure.may_be_billed = False
    if isinstance(failure, NoAnswerError):
        failure.connected = False
    return failure


def connect_timeout(target: Target) -> NoAnswerError:
    """The error for a connection that took too long to open."""
    error = NoAnswerError(f"no connection to {target.host} within {target.connect_timeout_s:g} s", code="timeout")
    error.may_be_billed = error.connected = False
    return error


def response_timeout(target: Target) -> NoAnswerError:
    """The error for a response that took too long."""
    return NoAnswerError(f"no answer within {target.timeout_s or 0:g} s", code="timeout")


def response_error(target: Target, error: BaseException) -> ProviderError:
    """The error for a call that was sent and got no response, or none that can be read; it may have been billed."""
    if isinstance(error, ResponseTooLargeError):
        too_large = BadRequestError(f"{error}, which is the limit (max_response_bytes)", code="response_too_large")
        too_large.may_be_billed = True
        return too_large
    if isinstance(error, ResponseError):
        return NoAnswerError(f"the response of {target.host} cannot be read: {error}", code="connection")
    tls = _tls_error(target, error)  # a server may ask for the client's certificate after the handshake
    return tls or _network_error(target, error)


def redirect_error(target: Target, why: str) -> NoAnswerError:
    """The error for redirects that lead nowhere; a retry cannot help, and a redirect is not billed."""
    error = NoAnswerError(f"the endpoint {target.host} {why}; check base_url", code="redirect", retryable=False)
    error.may_be_billed = False
    return error


def _proxy_error(error: BaseException) -> ProviderError | None:
    status = getattr(error, "status", None)
    if status == 407:
        where = "set them in HTTP_PROXY or HTTPS_PROXY"
        text = f"the proxy asks for a user name and a password, or refuses those it got; {where}"
        return AuthenticationError(text, code="proxy_authentication", status=407)
    return None if status is None else NoAnswerError(str(error), code="connection")


def _tls_error(target: Target, error: BaseException) -> TlsError | None:
    """The error for what is wrong with TLS for good; None for anything that a retry may fix."""
    for cause in causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            other = ("certificate", f"cannot be verified ({cause.verify_message})")
            code, fault = _CERTIFICATE_FAULTS.get(cause.verify_code, other)
            hint = "; set SSL_CERT_FILE to your authority's certificates" if code == "certificate_unknown_ca" else ""
            return TlsError(f"the certificate of {target.host} {fault}{hint}", code=code)
        reason = str(getattr(cause, "reason", "") or "") if isinstance(cause, ssl.SSLError) else ""
        if reason in _NOT_TLS:
            return TlsError(f"{target.host} does not speak TLS: should base_url begin with http://?", code="not_tls")
        if reason.endswith(_CLIENT_CERTIFICATE):
            return TlsError(f"{target.host} asks for a client certificate", code="client_certificate")
        if reason.endswith(_HANDSHAKE):
            what = "it may ask for a client certificate, or for another version of TLS"
            return TlsError(f"{target.host} refuses the TLS handshake: {what}", code="handshake")
    return None


def _network_error(target: Target, error: BaseException) -> NoAnswerError:
    found = [words for cause in causes(error) if (words := _words_of(cause))]
    code, what = min(found, default=("connection", _in_words(error)), key=lambda words: _GENERIC.count(words[1]))
    return NoAnswerError(f"the connection to {target.host} failed: {what}", code=code)


_WAS_RESET, _TLS_FAILED = "the connection was reset", "TLS failed"
_GENERIC = (_WAS_RESET, _TLS_FAILED)  # other causes say more


def _words_of(cause: BaseException) -> tuple[str, str] | None:
    """Code and words for a cause that is known."""
    number = getattr(cause, "errno", None)
    if isinstance(cause, socket.gaierror):
        if number in _UNKNOWN_NAME:
            return "host_not_found", "the host name is unknown (DNS)"
        return "connection", "the host name cannot be looked up now (DNS)"
    if number == errno.ECONNREFUSED:
        return "connection", "connection refused: nothing accepts connections there"
    if number in _UNREACHABLE:
        return "connection", "the host is unreachable"
    if isinstance(cause, ssl.SSLError):
        return "connection", _TLS_FAILED
    return ("connection", _WAS_RESET) if number in _RESET else None


def _in_words(error: BaseException) -> str:
    """The innermost cause; its text only where it is ours, since others may quote a URL."""
    last = [*causes(error)][-1]
    ours = isinstance(last, ConnectionError) and type(last).__module__.startswith("kaizen_batch.")
    return str(last) if ours else type(last).__name__


def causes(error: BaseException, depth: int = 0) -> Iterator[BaseException]:
    """An exception and its causes, the members of groups included, from the outside in."""
    yield error
    if depth > 8:
        return
    inner = [error.__cause__ or error.__context__]
    if isinstance(error, BaseExceptionGroup):
        inner += error.exceptions
    for each in inner:
        if each is not None:
            yield from causes(each, depth + 1)
