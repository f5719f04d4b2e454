"""Every code that this package gives has its advice."""

import errno
import inspect
import os

from kaizen_batch import errors
from kaizen_batch.results.texts.advice import advice_on, fix_of, why_stopped

_NOT_OF_ITEMS = (
    "error",
    "records",
    "journal",
    "invalid_config",
    "invalid_signature",
    "item_failed",
    "stopped",
    "run_incomplete",
)
_BASES = ("unusable_output", "provider_error", "fatal")


def test_each_code_of_an_item_has_an_advice() -> None:
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass)]
    codes = {kind.default_code for kind in kinds if issubclass(kind, errors.KaizenBatchError)}
    for code in sorted(codes - {*_NOT_OF_ITEMS, *_BASES}):
        assert advice_on(code).cause, code


def test_each_error_that_ends_a_run_says_what_to_do() -> None:
    for kind in (*errors.FatalError.__subclasses__(), *errors.StoppedError.__subclasses__()):
        advice, message = why_stopped(f"{kind.__name__}: because")
        assert advice.fix and message == "because" and advice.cause != "the run was ended", kind


def test_a_reason_without_a_class_is_kept() -> None:
    assert why_stopped("the disk is full")[1] == "the disk is full"
    assert advice_on("503").retry and not advice_on("own").retry


def test_a_file_that_cannot_be_written_names_the_fix_of_its_cause() -> None:
    assert fix_of(os.strerror(errno.EMFILE)) == "raise the limit of open files (ulimit -n)"
    assert fix_of(os.strerror(errno.ENOSPC)) == "free some space"
    assert fix_of(os.strerror(errno.EACCES)) == "name a file in a folder that you may write to"
