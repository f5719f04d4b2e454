"""Whether a refused key or model ends the run."""

import pytest

from kaizen_batch.engine.setup_faults import SetupFaults
from kaizen_batch.errors import (
    AuthenticationError,
    BadRequestError,
    FatalError,
    ModelNotFoundError,
    NoAnswerError,
    QuotaExhaustedError,
)


def fatal(faults: SetupFaults, error: FatalError | NoAnswerError, index: int = 0) -> bool:
    faults.judge(error, index)
    return error.fatal


def test_one_401_before_the_first_success_ends_the_run() -> None:
    assert fatal(SetupFaults(), AuthenticationError("x", status=401))


@pytest.mark.parametrize(("kind", "status"), [(AuthenticationError, 403), (ModelNotFoundError, 404)])
def test_before_the_first_success_three_different_items_end_the_run(kind: type[FatalError], status: int) -> None:
    faults = SetupFaults()
    assert [fatal(faults, kind("x", status=status), index) for index in (1, 1, 2, 2, 7)] == [False] * 4 + [True]


@pytest.mark.parametrize("status", [401, 403, 404])
def test_after_the_first_success_twenty_in_a_row_end_the_run(status: int) -> None:
    faults = SetupFaults()
    faults.works = True
    kind = ModelNotFoundError if status == 404 else AuthenticationError
    assert [fatal(faults, kind("x", status=status), n) for n in range(20)] == [False] * 19 + [True]
    faults.in_a_row = 0
    assert not fatal(faults, kind("x", status=status))


def test_a_parameter_that_the_model_refuses_counts_like_a_model_that_is_not_there() -> None:
    faults = SetupFaults()

    def refused(index: int, code: str = "unsupported_parameter") -> bool:
        error = BadRequestError("x", code=code, status=400)
        faults.judge(error, index)
        return error.fatal

    assert [refused(index, code) for index, code in [(1, "bad_request"), (2, "x"), (3, "y")]] == [False] * 3
    assert [refused(index) for index in (4, 4, 5, 6)] == [False, False, False, True]
    faults.works = True
    assert not refused(7)


def test_an_unknown_host_ends_the_run_only_before_the_first_success() -> None:
    faults = SetupFaults()
    assert fatal(faults, NoAnswerError("x", code="host_not_found"))
    faults.works = True
    assert not fatal(faults, NoAnswerError("x", code="host_not_found"))


def test_what_is_fatal_otherwise_stays_so() -> None:
    faults = SetupFaults()
    faults.works = True
    assert fatal(faults, QuotaExhaustedError("x", status=402))
    assert fatal(faults, AuthenticationError("of a provider of one's own"))
    assert fatal(faults, AuthenticationError("the proxy", status=407))
