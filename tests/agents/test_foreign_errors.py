"""Foreign exceptions: which are temporary, and what is told of them."""

import pytest

from kaizen_batch.agents.foreign_errors import as_batch_error
from kaizen_batch.errors import AgentError, ConfigError, InvalidOutputError, KaizenBatchError, NoAnswerError


@pytest.mark.parametrize(
    ("foreign", "kind", "code", "retryable", "text"),
    [
        (TimeoutError(), NoAnswerError, "timeout", True, "no answer within the time limit of the call"),
        (TimeoutError("secret"), NoAnswerError, "timeout", True, "no answer within the time limit of the call"),
        (ConnectionError("gone"), NoAnswerError, "connection", True, "ConnectionError: gone"),
        (ConnectionResetError("reset"), NoAnswerError, "connection", True, "ConnectionResetError: reset"),
        (BrokenPipeError(), NoAnswerError, "connection", True, "BrokenPipeError"),
        (ConnectionRefusedError(), NoAnswerError, "connection", True, "ConnectionRefusedError"),
        (FileNotFoundError("a.txt"), AgentError, "agent_failed", False, "FileNotFoundError: a.txt"),
        (ValueError("no such thing"), AgentError, "agent_failed", False, "ValueError: no such thing"),
        (KeyError(), AgentError, "agent_failed", False, "KeyError"),
        (RuntimeError(""), AgentError, "agent_failed", False, "RuntimeError"),
    ],
)
def test_a_foreign_exception_becomes_one_of_the_tree(
    foreign: Exception, kind: type[KaizenBatchError], code: str, retryable: bool, text: str
) -> None:
    error = as_batch_error(foreign)
    assert (type(error), error.code, error.retryable, error.message) == (kind, code, retryable, text)


@pytest.mark.parametrize("error", [InvalidOutputError("a"), ConfigError("b"), NoAnswerError("c"), AgentError("d")])
def test_an_error_of_the_tree_is_returned_unchanged(error: KaizenBatchError) -> None:
    assert as_batch_error(error) is error
