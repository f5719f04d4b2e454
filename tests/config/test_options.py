"""The typed keywords of the options: those of the models, with types for checkers."""

import pytest

from kaizen_batch import BatchConfig, RunConfig
from kaizen_batch.config import BatchOptions, RunOptions


@pytest.mark.parametrize(("options", "model"), [(RunOptions, RunConfig), (BatchOptions, BatchConfig)])
def test_the_typed_options_are_those_of_the_model(options: type, model: type[RunConfig]) -> None:
    assert set(options.__annotations__) == set(model.model_fields)
