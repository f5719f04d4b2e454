"""The tree of errors: which are retryable or fatal, which codes they have by default."""

import inspect
import re

import pytest

from kaizen_batch import errors
from kaizen_batch.errors import (
    AgentError,
    BatchError,
    ConfigError,
    FatalError,
    KaizenBatchError,
    ServerError,
    SignatureError,
    StoppedError,
    ThrottledError,
    UnsupportedParameterError,
)

DEFINED = {
    name: kind
    for name, kind in inspect.getmembers(errors, inspect.isclass)
    if kind.__module__ == errors.__name__ and issubclass(kind, KaizenBatchError)
}
RETRYABLE = {
    "InBatchError",
    "NotAttemptedError",
    "InvalidOutputError",
    "EmptyOutputError",
    "UnsupportedParameterError",
    "ThrottledError",
    "ServerError",
    "OverloadedError",
    "NoAnswerError",
    "StoppedError",
    "DeadlineError",
    "BudgetExhaustedError",
}
FATAL_AT_THE_ENDPOINT = {
    "FatalError",
    "AuthenticationError",
    "ModelNotFoundError",
    "QuotaExhaustedError",
    "EndpointDownError",
    "TlsError",
}
FATAL = FATAL_AT_THE_ENDPOINT | {"JournalError", "StoppedError", "DeadlineError", "BudgetExhaustedError"}


def drawn_tree() -> dict[str, str | None]:
    """Each class in the tree of the module docstring, with its parent."""
    above: list[tuple[int, str]] = []
    parents: dict[str, str | None] = {}
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"([│├└─ ]*)(\w+Error)\b", line)
        if match:
            depth, name = len(match.group(1)), match.group(2)
            above = [(d, n) for d, n in above if d < depth]
            parents[name] = above[-1][1] if above else None
            above.append((depth, name))
    return parents


REQUIRED: dict[str, dict[str, object]] = {
    "BatchError": {"index": 3},
    "EarlierFailureError": {"type": "ServerError", "code": "earlier_failure", "retryable": False},
    "IncompleteRunError": {"results": [], "summary": None},
}
"""The arguments that some errors require besides the message."""


def make(kind: type[KaizenBatchError]) -> KaizenBatchError:
    return kind("message", **REQUIRED.get(kind.__name__, {}))


def test_the_tree_in_the_docstring_has_every_class_and_no_other() -> None:
    assert set(drawn_tree()) == set(DEFINED)


@pytest.mark.parametrize(("name", "parent"), drawn_tree().items())
def test_every_class_has_the_parent_that_the_tree_shows(name: str, parent: str | None) -> None:
    assert DEFINED[name].__bases__[0] is (DEFINED[parent] if parent else Exception)


@pytest.mark.parametrize("name", DEFINED)
def test_the_class_says_whether_the_item_can_succeed_later(name: str) -> None:
    assert make(DEFINED[name]).retryable is (name in RETRYABLE)


@pytest.mark.parametrize("name", DEFINED)
def test_the_class_says_whether_the_whole_run_is_over(name: str) -> None:
    assert make(DEFINED[name]).fatal is (name in FATAL)


@pytest.mark.parametrize("name", sorted(FATAL_AT_THE_ENDPOINT))
def test_a_fatal_error_is_below_fatal_error(name: str) -> None:
    assert issubclass(DEFINED[name], FatalError)


@pytest.mark.parametrize("kind", DEFINED.values())
def test_the_code_is_the_default_of_the_class(kind: type[KaizenBatchError]) -> None:
    assert make(kind).code == kind.default_code


def test_no_two_leaves_share_a_default_code() -> None:
    codes = [kind.default_code for kind in DEFINED.values()]
    assert len(set(codes)) == len(codes)


def test_an_explicit_code_wins() -> None:
    assert ServerError("message", code="bad_gateway").code == "bad_gateway"


@pytest.mark.parametrize("code", [None, ""])
def test_an_empty_code_means_the_default(code: str | None) -> None:
    assert ThrottledError("message", code=code).code == "rate_limit_exceeded"


@pytest.mark.parametrize("kind", DEFINED.values())
def test_message_and_str_are_the_same(kind: type[KaizenBatchError]) -> None:
    assert make(kind).message == str(make(kind)) == "message"


def test_config_error_is_a_value_error_and_signature_error_a_type_error() -> None:
    assert issubclass(ConfigError, ValueError)
    assert issubclass(SignatureError, TypeError)


def test_batch_error_keeps_the_index() -> None:
    assert BatchError("message", index=3).index == 3


def test_a_provider_error_keeps_status_and_retry_after() -> None:
    error = ThrottledError("message", status=429, retry_after_s=2.5)
    assert (error.status, error.retry_after_s) == (429, 2.5)


@pytest.mark.parametrize(("said", "expected"), [(None, True), (True, True), (False, False)])
def test_retryable_can_be_set_for_one_provider_error(said: bool | None, expected: bool) -> None:
    assert ServerError("message", retryable=said).retryable is expected
    assert ServerError.retryable is True


def test_only_no_answer_may_be_billed() -> None:
    billed = {name for name, kind in DEFINED.items() if getattr(kind, "may_be_billed", False)}
    assert billed == {"NoAnswerError"}


def test_an_agent_error_keeps_the_outputs() -> None:
    assert AgentError("message", outputs={"a": 1}).outputs == {"a": 1}
    assert AgentError("message").outputs == {}


def test_an_agent_error_can_be_retryable() -> None:
    assert AgentError("message", retryable=True).retryable is True


def test_an_unsupported_parameter_error_is_a_retryable_bad_request() -> None:
    assert issubclass(UnsupportedParameterError, errors.BadRequestError)
    assert UnsupportedParameterError("message").retryable is True


def test_an_error_of_ones_own_inherits_what_it_does_not_set() -> None:
    class OutOfStockError(AgentError, code="out_of_stock", retryable=True):
        pass

    class SoldOutError(OutOfStockError, retryable=False):
        pass

    assert (OutOfStockError("x").code, OutOfStockError("x").fatal) == ("out_of_stock", False)
    assert (SoldOutError("x").code, SoldOutError.retryable, OutOfStockError.retryable) == ("out_of_stock", False, True)
    assert issubclass(SoldOutError, AgentError) and AgentError.default_code == "agent_failed"


def test_an_error_may_set_them_in_its_body_too() -> None:
    class OutOfStockError(StoppedError):
        default_code = "out_of_stock"
        retryable = False

    assert (OutOfStockError("x").code, OutOfStockError.retryable, OutOfStockError.fatal) == (
        "out_of_stock",
        False,
        True,
    )
