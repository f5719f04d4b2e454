"""A model that ignores its schema is noticed; one that has a bad answer now and then is not."""

import logging
from typing import Any

import pytest
from pydantic import BaseModel

from kaizen_batch import BatchConfig, BatchProcessorAgent, SignatureError
from kaizen_batch.agents.structured import IgnoredSchema, output_of
from kaizen_batch.errors import InvalidOutputError, TruncatedOutputError
from kaizen_batch.providers import MockProvider
from kaizen_batch.signature import ProcessingSignature, as_signature

CONFIG = BatchConfig(llm_provider="mock")
ERROR = InvalidOutputError("it is not JSON")


class Number(BaseModel):
    n: int


class Free(BaseModel):
    value: Any


class Asked(MockProvider):
    def __init__(self) -> None:
        super().__init__()
        self.ignored = 0

    def schema_ignored(self, model: str) -> bool:
        self.ignored += 1
        return self.ignored == 1


def test_ten_answers_in_a_row_without_json_are_noticed_once_and_again(caplog: pytest.LogCaptureFixture) -> None:
    provider = Asked()
    watch = IgnoredSchema(provider, CONFIG)
    with caplog.at_level(logging.WARNING):
        errors = [watch.judged(ERROR, "words").message for _ in range(20)]
    assert provider.ignored == 2 and len(caplog.messages) == 2
    assert errors[8] == ERROR.message
    assert "the schema is in the prompt from now on" in errors[9]
    assert "choose a model that supports JSON schemas" in errors[19]


@pytest.mark.parametrize("text", ['{"n": "x"}', "", "  "])
def test_damaged_json_and_empty_answers_do_not_count(text: str) -> None:
    watch = IgnoredSchema(provider := Asked(), CONFIG)
    for _ in range(9):
        watch.judged(ERROR, "words")
    assert watch.judged(ERROR, text) is ERROR
    watch.judged(ERROR, "words")
    assert provider.ignored == 0


def test_an_answer_that_fits_ends_the_finding() -> None:
    watch = IgnoredSchema(Asked(), CONFIG)
    for _ in range(10):
        watch.judged(ERROR, "words")
    watch.obeyed()
    assert watch.judged(ERROR, "words") is ERROR


def test_twenty_first_answers_that_are_wrong_for_one_reason_end_the_run() -> None:
    watch = IgnoredSchema(Asked(), CONFIG)
    misfit = InvalidOutputError("'pet' is a required property")
    errors = [watch.judged(misfit, "{}") for _ in range(20)]
    assert [error.fatal for error in errors] == [False] * 19 + [True]
    assert errors[19].message == "the first 20 answers do not fit the schema: 'pet' is a required property"


@pytest.mark.parametrize("between", ["fits", "another reason"])
def test_a_model_that_can_fit_or_fails_in_several_ways_goes_on(between: str) -> None:
    watch = IgnoredSchema(Asked(), CONFIG)
    if between == "fits":
        watch.obeyed()
    else:
        watch.judged(InvalidOutputError("'n' is not an integer"), "{}")
    assert not any(watch.judged(InvalidOutputError("'pet' is missing"), "{}").fatal for _ in range(50))


async def test_a_schema_that_is_never_met_costs_few_calls() -> None:
    agent = BatchProcessorAgent(provider=MockProvider(answer=lambda _: "{}"), signature=Number)
    done = await agent.run_batch([str(number) for number in range(200)])
    assert done.summary.calls < 30
    assert done.summary.stopped is not None and "the first 20 answers do not fit the schema" in done.summary.stopped


def test_the_kind_of_the_error_is_kept() -> None:
    watch = IgnoredSchema(Asked(), CONFIG)
    for _ in range(10):
        error = watch.judged(TruncatedOutputError("cut off"), "words")
    assert isinstance(error, TruncatedOutputError) and error.code == "length"


def test_a_mode_that_was_chosen_is_not_changed() -> None:
    watch = IgnoredSchema(provider := Asked(), CONFIG.with_options(structured="json_object"))
    for _ in range(10):
        watch.judged(ERROR, "words")
    assert provider.ignored == 0


def test_the_schema_that_is_sent() -> None:
    assert output_of(ProcessingSignature, CONFIG) is None
    output = output_of(as_signature(Number), CONFIG.with_options(structured="prompt"))
    assert output is not None and (output.name, output.mode) == ("Number", "prompt")
    with pytest.raises(SignatureError, match="it allows anything in one place; use structured"):
        output_of(as_signature(Free), CONFIG.with_options(structured="strict"))
