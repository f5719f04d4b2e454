"""Uses of the public API that type checkers accept, and uses that they must reject.

test_api.py runs mypy --strict and pyright over this file. A line that must be rejected names the expected codes:
`# rejected: <mypy code> <pyright rule>`. Any other line must be free of errors. The functions are never called.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal, assert_type, cast

from pydantic import BaseModel

from kaizen_batch import (
    BatchConfig,
    BatchProcessorAgent,
    BatchSummary,
    Completion,
    ErrorDict,
    InputField,
    ModelEnvelope,
    OutputField,
    ParallelBatchStrategy,
    Price,
    Provider,
    Request,
    RetryPolicy,
    RunConfig,
    Signature,
    UsageDict,
)
from kaizen_batch.nodes import BaseAgent


class Triage(Signature):
    subject: str = InputField()
    team: Literal["billing", "tech"] = OutputField("who answers")


class TriageModel(BaseModel):
    team: str


class TriageResult(ModelEnvelope):
    team: str


class Shout(Provider):
    async def complete(self, request: Request) -> Completion:
        return Completion(text=request.prompt.upper())


class Foreign:
    async def run_async(self, subject: str) -> dict[str, str]:
        return {"team": subject}


class Own(BaseAgent):
    async def run_async(self, **inputs: object) -> dict[str, object]:
        return {"loud": str(inputs["text"]).upper()}


async def look_up(subject: str) -> str:
    return subject


def blocking(subject: str) -> str:
    return subject


async def rows() -> AsyncIterator[dict[str, str]]:
    yield {"subject": "a"}


def accepted_options() -> None:
    BatchConfig()
    BatchConfig(model="gpt-4o-mini", temperature=None, api_key="key", base_url="http://127.0.0.1:8000/v1")
    BatchConfig(journal="run.db", price={"input": 0.15, "output": 0.6}, retry={"attempts": 3})
    BatchConfig(journal=Path("run.db"), price=Price(0.15, 0.6), retry=RetryPolicy(attempts=3))
    BatchConfig(fallbacks=["gpt-4o", {"model": "llama", "base_url": "http://127.0.0.1/v1", "api_key_env": "KEY"}])
    BatchConfig(max_concurrent=20).with_options(model="gpt-4o", deadline_s=60)
    RunConfig(max_concurrent=20, requests_per_minute=500, on_error="raise", labels={"team": "data"})
    ParallelBatchStrategy(20, budget_usd=1.5)
    ParallelBatchStrategy(max_concurrent=20, adaptive=True, hedge_after=0.95)
    BatchProcessorAgent(BatchConfig(), signature=Triage, provider=Shout())
    BatchProcessorAgent({"model": "gpt-4o-mini", "signature": "package.module:Triage"})
    BatchProcessorAgent(signature=TriageModel, llm_provider="mock", max_concurrent=5)
    BatchProcessorAgent(provider=Shout, input_path="in.csv", output_path="out.csv", template="{subject}")
    BatchProcessorAgent(provider=look_up, on_event=print)
    Own(max_concurrent=5, timeout_s=1)


def rejected_options() -> None:
    BatchProcessorAgent(max_concurent=5)  # rejected: call-arg reportCallIssue
    BatchProcessorAgent(modle="x")  # rejected: call-arg reportCallIssue
    BatchProcessorAgent(llm_provider=3)  # rejected: arg-type reportArgumentType
    BatchProcessorAgent({"modle": "x"})  # rejected: arg-type reportArgumentType
    BatchProcessorAgent(BatchConfig(), Triage)  # rejected: call-arg reportCallIssue
    BatchProcessorAgent(signature=3)  # rejected: arg-type reportArgumentType
    BatchProcessorAgent(provider=blocking)  # rejected: arg-type reportArgumentType
    BatchProcessorAgent(on_event="log")  # rejected: arg-type reportArgumentType
    Own(max_concurent=5)  # rejected: call-arg reportCallIssue
    BatchConfig("openai", 5)  # rejected: arg-type reportArgumentType
    BatchConfig(modle="x")  # rejected: call-arg reportCallIssue
    BatchConfig(temperature="hot")  # rejected: arg-type reportArgumentType
    BatchConfig(retry={"atempts": 3})  # rejected: arg-type reportArgumentType
    BatchConfig(price={"input": 0.15})  # rejected: arg-type reportArgumentType
    BatchConfig(fallbacks=[{"api_key": "key"}])  # rejected: list-item reportArgumentType
    BatchConfig().with_options(modle="x")  # rejected: call-arg reportCallIssue
    RunConfig(model="x")  # rejected: call-arg reportCallIssue
    RunConfig(on_error="ignore")  # rejected: arg-type reportArgumentType
    ParallelBatchStrategy("5")  # rejected: arg-type reportArgumentType
    ParallelBatchStrategy(max_concurent=5)  # rejected: call-arg reportCallIssue
    ParallelBatchStrategy(5, 6)  # rejected: call-arg reportCallIssue


async def accepted_runs(strategy: ParallelBatchStrategy, agent: BatchProcessorAgent) -> None:
    await strategy.execute_batch(look_up, ["a", "b"])
    await strategy.execute_batch(Foreign(), rows())
    await strategy.execute_batch(agent, [{"subject": "a"}])
    await strategy.execute(look_up, "a")
    agent.process_single("a")
    assert_type((await strategy.run_batch(look_up, range(3))).summary, BatchSummary)
    async with strategy.stream(look_up, rows(), ordered=False) as run:
        async for result in run:
            assert_type(result["status"], Literal["ok", "error"])


async def rejected_runs(strategy: ParallelBatchStrategy, agent: BatchProcessorAgent) -> None:
    await strategy.execute_batch(42, ["a"])  # rejected: arg-type reportArgumentType
    await strategy.execute_batch(blocking, ["a"])  # rejected: arg-type reportArgumentType
    await strategy.execute_batch(look_up, 42)  # rejected: arg-type reportArgumentType
    await strategy.execute_batch(look_up)  # rejected: call-arg reportCallIssue
    await agent.process_batch(42)  # rejected: arg-type reportArgumentType
    agent.stream(["a"], orderd=False)  # rejected: call-arg reportCallIssue


async def typed_results(agent: BatchProcessorAgent) -> None:
    results = await agent.process_batch(["a"])
    assert_type(results[0]["batch"], bool)
    assert_type(results[0]["index"], int)
    assert_type(results[0]["status"], Literal["ok", "error"])
    assert_type(results[0]["error"], ErrorDict | None)
    assert_type(results[0]["response"], str | None)
    assert_type(results[0]["finish_reason"], str | None)
    assert_type(results[0]["usage"], UsageDict | None)
    assert_type(results[0]["attempts"], int)
    assert_type(results[0]["latency_s"], float)
    assert_type(results[0]["cost_usd"], float | None)
    assert_type(results[0]["answered_by"], str | None)
    assert_type(results[0]["from_journal"], bool)
    results[0]["error"]["message"]  # rejected: index reportOptionalSubscript
    plain: dict[str, object] = {**results[0]}
    triaged = cast(list[TriageResult], results)
    assert_type(triaged[0]["team"], str)
    triaged[0]["taem"]  # rejected: typeddict-item reportGeneralTypeIssues
    del plain
