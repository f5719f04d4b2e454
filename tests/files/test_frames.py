"""Frames through an agent: a journal, no second payment, and errors before any call. The rest is in tests/tables."""

from pathlib import Path

import pandas as pd
import pytest

from kaizen_batch import BatchConfig, BatchError, BatchProcessorAgent, ConfigError, Journal, PromptTemplate
from kaizen_batch.files.frames import FrameJob

FRAME = pd.DataFrame({"text": ["a", "b", "a"], "single": pd.array([0.1, 0.2, 0.1], dtype="float32")})


def test_a_journal_pays_each_question_once(tmp_path: Path) -> None:
    config = BatchConfig(llm_provider="mock", journal=tmp_path / "run.db")
    first = BatchProcessorAgent(config).run_frame(FRAME, "{text} {single}")
    assert list(first["result"]) == [f"mock answer to: {cells}" for cells in ("a 0.1", "b 0.2", "a 0.1")]
    assert Journal(tmp_path / "run.db").count()["done"] == 2
    agent = BatchProcessorAgent(config)
    assert agent.run_frame(FRAME, "{text} {single}").equals(first)
    assert [run.description["config"]["labels"]["rendering"] for run in Journal(tmp_path / "run.db").runs()] == [
        "2"
    ] * 2


def test_on_error_raise_ends_the_frame() -> None:
    config = BatchConfig(llm_provider="mock", on_error="raise", provider_options={"failures": {400: 1.0}})
    with pytest.raises(BatchError):
        BatchProcessorAgent(config).run_frame(FRAME, "{text}")


def test_a_job_is_checked_when_it_is_made() -> None:
    assert FrameJob(FRAME, PromptTemplate("{text}")).prompt_template is not None
    with pytest.raises(ConfigError, match=r"the prompt template has no \{column\}"):
        FrameJob(FRAME, "nothing")
