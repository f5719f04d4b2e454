"""Failed connections: the code and words for each cause, whether it may be billed, and no secret in a message."""

import errno
import socket
import ssl
from typing import Any

import pytest

from kaizen_batch import AuthenticationError, BadRequestError, NoAnswerError
from kaizen_batch.errors import TlsError
from kaizen_batch.providers.http.base import Target
from kaizen_batch.providers.http.connection_errors import (
    causes,
    connect_error,
    connect_timeout,
    redirect_error,
    response_error,
    response_timeout,
)
from kaizen_batch.providers.http.frames import ResponseError, ResponseTooLargeError
from kaizen_batch.providers.http.origin import ProxyError


@pytest.fixture
def target() -> Target:
    return Target("https://a.example/v1", "sk-secret", 30.0)


def certificate_error(code: int) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError("failed")
    error.verify_code, error.verify_message = code, "why"
    return error


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "x"), "connection", "connection refused"),
        (socket.gaierror(socket.EAI_NONAME, "x"), "host_not_found", "the host name is unknown"),
        (socket.gaierror(socket.EAI_AGAIN, "x"), "connection", "cannot be looked up now"),
        (OSError(errno.EHOSTUNREACH, "x"), "connection", "unreachable"),
        (ConnectionResetError(errno.ECONNRESET, "x"), "connection", "was reset"),
        (ValueError("sk-secret"), "connection", "ValueError"),
    ],
)
def test_each_cause_has_its_words_and_is_not_billed(target: Target, error: Exception, code: str, words: str) -> None:
    found = connect_error(target, error)
    assert isinstance(found, NoAnswerError)
    assert (found.code, found.may_be_billed) == (code, False)
    assert words in found.message and "a.example" in found.message
    assert "sk-secret" not in found.message


@pytest.mark.parametrize(
    ("number", "code"),
    [(10, "certificate_expired"), (62, "certificate_wrong_host"), (18, "certificate_unknown_ca"), (99, "certificate")],
)
def test_a_certificate_that_is_not_valid_ends_the_run(target: Target, number: int, code: str) -> None:
    found = connect_error(target, certificate_error(number))
    assert isinstance(found, TlsError)
    assert found.code == code


def test_a_proxy_that_wants_a_password_is_an_authentication_error(target: Target) -> None:
    assert isinstance(connect_error(target, ProxyError(407)), AuthenticationError)
    assert isinstance(connect_error(target, ProxyError(502)), NoAnswerError)


def test_after_sending_the_call_may_be_billed(target: Target) -> None:
    assert response_error(target, ConnectionResetError(errno.ECONNRESET, "x")).may_be_billed
    assert response_error(target, ResponseError("no HTTP")).may_be_billed
    large = response_error(target, ResponseTooLargeError("the response is larger than 9 bytes"))
    assert isinstance(large, BadRequestError)
    assert (large.code, large.may_be_billed) == ("response_too_large", True)


def test_timeouts_say_how_long_was_waited(target: Target) -> None:
    assert (connect_timeout(target).code, connect_timeout(target).may_be_billed) == ("timeout", False)
    assert "30 s" in response_timeout(target).message
    assert response_timeout(target).may_be_billed


def test_a_redirect_that_leads_nowhere_is_not_retried(target: Target) -> None:
    found = redirect_error(target, "redirects in a circle")
    assert (found.code, found.retryable, found.may_be_billed) == ("redirect", False, False)


def test_the_causes_of_groups_and_chains_are_followed() -> None:
    inner: Any = KeyError("inner")
    outer = RuntimeError("outer")
    outer.__cause__ = ExceptionGroup("group", [ValueError("one"), inner])
    assert [type(each) for each in causes(outer)] == [RuntimeError, ExceptionGroup, ValueError, KeyError]
