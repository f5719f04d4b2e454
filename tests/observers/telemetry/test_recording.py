"""Traces and metrics, read back from the SDK's exporters."""

import asyncio
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from kaizen_batch import (
    BatchConfig,
    BatchProcessorAgent,
    MockProvider,
    ParallelBatchStrategy,
    RetryPolicy,
    TelemetrySink,
)
from kaizen_batch.agents import create_agent
from kaizen_batch.simulator import Simulator
from kaizen_batch.simulator.settings import error_reply

QUICK = RetryPolicy(wait_initial=0, wait_max=0.005)


@dataclass
class Backend:
    """What a run has left with the SDK."""

    spans: InMemorySpanExporter = field(default_factory=InMemorySpanExporter)
    reader: InMemoryMetricReader = field(default_factory=InMemoryMetricReader)

    def __post_init__(self) -> None:
        self.tracers = TracerProvider(shutdown_on_exit=False)
        self.tracers.add_span_processor(SimpleSpanProcessor(self.spans))
        self.meters = MeterProvider([self.reader], shutdown_on_exit=False)

    def sink(self, **options: Any) -> TelemetrySink:
        return TelemetrySink(tracer_provider=self.tracers, meter_provider=self.meters, **options)

    @property
    def calls(self) -> list[ReadableSpan]:
        return [span for span in self.spans.get_finished_spans() if span.name != "kaizen_batch.batch"]

    @property
    def batches(self) -> list[ReadableSpan]:
        return [span for span in self.spans.get_finished_spans() if span.name == "kaizen_batch.batch"]

    def points(self, name: str) -> list[Any]:
        data = self.reader.get_metrics_data()
        found = [
            metric
            for part in (data.resource_metrics if data else ())
            for scope in part.scope_metrics
            for metric in scope.metrics
        ]
        return [point for metric in found if metric.name == name for point in metric.data.data_points]


@pytest.fixture
def backend() -> Iterator[Backend]:
    backend = Backend()
    yield backend
    backend.tracers.shutdown()
    backend.meters.shutdown()


async def run(sink: Any, items: list[Any], **options: Any) -> Any:
    config = BatchConfig(**{"max_concurrent": 1, "retry": QUICK, **options})
    strategy = ParallelBatchStrategy.from_config(config, on_event=sink)
    return (await strategy.run_batch(create_agent(config), items)).summary


async def test_calls_are_spans_by_the_conventions(simulator: Simulator, backend: Backend) -> None:
    simulator.reply_with(error_reply(429, "slow_down"))
    await run(backend.sink(), ["a", "b"], base_url=simulator.base_url, model="gpt-4o-mini", max_tokens=50)
    throttled, first, second = backend.calls
    assert {(span.name, span.kind) for span in backend.calls} == {("chat gpt-4o-mini", SpanKind.CLIENT)}
    assert first.attributes is not None and throttled.attributes is not None
    usage = simulator.ledger.entries[-1]
    assert usage.tokens == sum(int(second.attributes[f"gen_ai.usage.{kind}_tokens"]) for kind in ("input", "output"))  # type: ignore[index, arg-type]
    expected = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.request.max_tokens": 50,
        "gen_ai.request.temperature": 0.1,
        "gen_ai.output.type": "text",
        "gen_ai.response.model": "gpt-4o-mini",
        "gen_ai.response.finish_reasons": ("stop",),
        "server.address": "127.0.0.1",
        "server.port": int(simulator.base_url.rpartition(":")[2].partition("/")[0]),
        "kaizen_batch.item.index": 0,
        "kaizen_batch.attempt": 2,
    }
    assert expected.items() <= dict(first.attributes).items()
    assert (throttled.attributes["error.type"], throttled.status.status_code) == ("slow_down", StatusCode.ERROR)
    assert "error.type" not in first.attributes


async def test_the_batch_is_the_parent_and_a_child_of_the_current_span(backend: Backend) -> None:
    with backend.tracers.get_tracer("mine").start_as_current_span("mine") as mine:
        await run(backend.sink(), ["a", "b"], llm_provider="mock")
    [batch, *_] = backend.batches
    assert batch.parent is not None and batch.parent.span_id == mine.get_span_context().span_id
    children = [span.parent.span_id for span in backend.calls if span.name.startswith("chat") and span.parent]
    assert children == [batch.context.span_id] * 2
    assert {"kaizen_batch.total": 2, "kaizen_batch.ok": 2, "kaizen_batch.max_concurrent": 1}.items() <= dict(
        batch.attributes or {}
    ).items()


async def test_without_a_current_span_a_batch_begins_its_own_trace(backend: Backend) -> None:
    await run(backend.sink(), ["a"], llm_provider="mock")
    assert backend.batches[0].parent is None
    assert trace.get_current_span().get_span_context().is_valid is False


@pytest.mark.looptime(start=1000)
async def test_the_times_of_spans_are_those_of_the_calls(backend: Backend) -> None:
    await run(backend.sink(), ["a", "b"], llm_provider="mock", provider_options={"latency_s": 2.0})
    [batch] = backend.batches
    assert batch.start_time is not None and batch.end_time is not None
    offsets = [((s.start_time or 0) - batch.start_time, (s.end_time or 0) - batch.start_time) for s in backend.calls]
    assert [(round(a / 1e9, 3), round(b / 1e9, 3)) for a, b in offsets] == [(0.0, 2.0), (2.0, 4.0)]
    assert round((batch.end_time - batch.start_time) / 1e9, 3) == 4.0


async def test_nothing_private_is_recorded_unless_asked_for(simulator: Simulator, backend: Backend) -> None:
    simulator.reply_with(error_reply(400, "invalid_value", "MESSAGE"))
    await run(backend.sink(), ["PROMPT", "PROMPT too"], base_url=simulator.base_url, system_prompt="PROMPT")
    everything = "".join(span.to_json() for span in backend.spans.get_finished_spans())
    assert not [word for word in ("PROMPT", "MESSAGE", "mock answer") if word in everything]


async def test_content_is_recorded_when_asked_for(simulator: Simulator, backend: Backend) -> None:
    simulator.reply_with(error_reply(400, "invalid_value", "MESSAGE"))
    sink = backend.sink(capture_content=True)
    await run(sink, ["one", "two"], base_url=simulator.base_url, system_prompt="be brief")
    failed, good = backend.calls
    assert "MESSAGE" in (failed.status.description or "")
    assert json.loads(str((good.attributes or {})["gen_ai.input.messages"])) == [
        {"role": "system", "parts": [{"type": "text", "content": "be brief"}]},
        {"role": "user", "parts": [{"type": "text", "content": "two"}]},
    ]
    [answer] = json.loads(str((good.attributes or {})["gen_ai.output.messages"]))
    assert (answer["role"], answer["finish_reason"]) == ("assistant", "stop")
    assert answer["parts"][0]["content"].startswith("mock answer")


async def test_metrics_by_the_conventions_and_of_our_own(simulator: Simulator, backend: Backend) -> None:
    simulator.reply_with(error_reply(429, "slow_down"), error_reply(400, "invalid_value"))
    summary = await run(
        backend.sink(),
        ["a", "b", "c"],
        base_url=simulator.base_url,
        model="gpt-4o-mini",
        price={"input": 1.0, "output": 2.0},
    )
    durations = {
        point.attributes.get("error.type"): point for point in backend.points("gen_ai.client.operation.duration")
    }
    assert {code: point.count for code, point in durations.items()} == {"slow_down": 1, "invalid_value": 1, None: 2}
    assert list(durations[None].explicit_bounds)[:3] == [0.01, 0.02, 0.04]
    assert durations[None].explicit_bounds[-1] == 81.92
    tokens = {point.attributes["gen_ai.token.type"]: point for point in backend.points("gen_ai.client.token.usage")}
    assert (tokens["input"].sum, tokens["output"].sum) == (summary.input_tokens, summary.output_tokens)
    assert (tokens["input"].explicit_bounds[0], tokens["input"].explicit_bounds[-1]) == (1, 67108864)
    items = {
        point.attributes["kaizen_batch.item.status"]: point.value for point in backend.points("kaizen_batch.items")
    }
    assert items == {"ok": 2, "error": 1}
    for name in ("throttles", "retries"):
        [point] = backend.points(f"kaizen_batch.{name}")
        assert (point.value, point.attributes) == (1, {"error.type": "slow_down"})
    [cost] = backend.points("kaizen_batch.cost")
    assert cost.value == pytest.approx(summary.cost_usd) and cost.value > 0


@pytest.mark.looptime(start=0)
async def test_calls_in_flight_come_down_to_none(backend: Backend) -> None:
    sink, levels = backend.sink(), []

    def look(event: Any) -> None:
        sink(event)
        levels.extend(point.value for point in backend.points("kaizen_batch.in_flight"))

    await run(look, ["a"] * 8, llm_provider="mock", max_concurrent=4, provider_options={"latency_s": 1.2})
    assert max(levels) == 4
    assert levels[-1] == 0


async def test_a_stopped_run_is_an_error_without_its_message(simulator: Simulator, backend: Backend) -> None:
    simulator.reply_with(error_reply(401, "invalid_api_key", "MESSAGE"))
    await run(backend.sink(), ["a", "b"], base_url=simulator.base_url)
    [batch] = backend.batches
    assert (batch.status.status_code, batch.status.description) == (StatusCode.ERROR, None)
    assert (batch.attributes or {})["error.type"] == "AuthenticationError"


async def test_a_plain_function_is_no_model(backend: Backend) -> None:
    async def look_up(city: str) -> dict[str, Any]:
        return {"letters": len(city)}

    await ParallelBatchStrategy(on_event=backend.sink()).run_batch(look_up, ["Lyon"])
    [call] = backend.calls
    assert (call.name.partition(" ")[0], call.kind) == ("call", SpanKind.INTERNAL)
    assert not [name for name in call.attributes or {} if name.startswith("gen_ai")]
    assert backend.points("gen_ai.client.operation.duration") == []


async def test_runs_at_once_have_spans_of_their_own(backend: Backend) -> None:
    agent = BatchProcessorAgent(provider=MockProvider(latency_s=0.002), max_concurrent=2, on_event=backend.sink())
    async with asyncio.TaskGroup() as group:
        for count in (3, 5):
            group.create_task(agent.run_batch(["x"] * count))
    totals = {span.context.span_id: (span.attributes or {})["kaizen_batch.total"] for span in backend.batches}
    children = [totals[span.parent.span_id] for span in backend.calls if span.parent]
    assert sorted(children) == [3] * 3 + [5] * 5


class Open(SpanProcessor):
    """Counts spans that are open."""

    def __init__(self) -> None:
        self.now = self.peak = 0

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        self.now += 1
        self.peak = max(self.peak, self.now)

    def on_end(self, span: ReadableSpan) -> None:
        self.now -= 1


async def test_no_span_is_open_for_an_item(backend: Backend) -> None:
    spans = Open()
    backend.tracers.add_span_processor(spans)
    await run(backend.sink(), ["x"] * 200, llm_provider="mock", max_concurrent=50)
    assert (spans.peak, spans.now) == (2, 0)


async def test_a_run_that_is_left_closes_its_span(backend: Backend) -> None:
    agent = BatchProcessorAgent(provider=MockProvider(latency_s=0.01), max_concurrent=2, on_event=backend.sink())
    async with agent.stream(["x"] * 50) as stream:
        async for _ in stream:
            break
    assert len(backend.batches) == 1
    cancelled = [span for span in backend.calls if (span.attributes or {}).get("error.type") == "cancelled"]
    assert len(cancelled) <= 2


async def test_spans_reach_an_exporter_in_the_background() -> None:
    out = io.StringIO()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(
        BatchSpanProcessor(ConsoleSpanExporter(out=out, formatter=lambda span: span.to_json(indent=None) + "\n"))
    )
    await run(TelemetrySink(tracer_provider=provider), ["x"] * 20, llm_provider="mock", max_concurrent=5)
    provider.shutdown()
    names = [json.loads(line)["name"] for line in out.getvalue().splitlines()]
    assert sorted(names) == ["chat gpt-3.5-turbo"] * 20 + ["kaizen_batch.batch"]


async def test_without_any_sdk_nothing_happens() -> None:
    summary = await run(TelemetrySink(), ["x"] * 3, llm_provider="mock")
    assert summary.ok == 3
