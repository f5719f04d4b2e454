"""Events into spans and metrics. Needs the extra `telemetry`."""

import asyncio
import time
from importlib.metadata import version

from opentelemetry import metrics, trace
from opentelemetry.context import Context
from opentelemetry.metrics import Counter, Histogram, MeterProvider, UpDownCounter
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, TracerProvider

from kaizen_batch.events import (
    BatchFinished,
    BatchProgress,
    BatchStarted,
    CallFinished,
    Event,
    ItemFinished,
    RetryScheduled,
    Throttled,
)
from kaizen_batch.observers.telemetry.attributes import (
    ERROR_TYPE,
    TOKEN_TYPE,
    Attributes,
    details_of,
    outcome_of,
    target_of,
)
from kaizen_batch.results import BatchSummary, ItemResult

_NAME = "kaizen_batch"
_DURATION_BUCKETS = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92]
_TOKEN_BUCKETS = [4**power for power in range(14)]
_SUMMED = (
    "total",
    "ok",
    "failed",
    "not_attempted",
    "calls",
    "hedges",
    "from_journal",
    "throttles",
    "input_tokens",
    "output_tokens",
    "cost_usd",
)


class Instruments:
    """The metrics; one set serves all runs."""

    def __init__(self, provider: MeterProvider | None) -> None:
        meter = metrics.get_meter(_NAME, version("kaizen-batch"), provider)
        self.duration: Histogram = meter.create_histogram(
            "gen_ai.client.operation.duration",
            unit="s",
            description="GenAI operation duration.",
            explicit_bucket_boundaries_advisory=_DURATION_BUCKETS,
        )
        self.tokens: Histogram = meter.create_histogram(
            "gen_ai.client.token.usage",
            unit="{token}",
            description="Number of input and output tokens used.",
            explicit_bucket_boundaries_advisory=_TOKEN_BUCKETS,
        )
        self.items: Counter = meter.create_counter(f"{_NAME}.items", "{item}", "Items that have their result.")
        self.retries: Counter = meter.create_counter(f"{_NAME}.retries", "{retry}", "Calls that will be made again.")
        self.throttles: Counter = meter.create_counter(
            f"{_NAME}.throttles", "{throttle}", "Times the endpoint asked for less."
        )
        self.cost: Counter = meter.create_counter(f"{_NAME}.cost", "{USD}", "What answers have cost.")
        self.in_flight: UpDownCounter = meter.create_up_down_counter(f"{_NAME}.in_flight", "{call}", "Calls under way.")


def tracer_of(provider: TracerProvider | None) -> Tracer:
    """The tracer of this package."""
    return trace.get_tracer(_NAME, version("kaizen-batch"), provider)


class RunRecorder:
    """One run: one open span, whatever the number of its items.

    A call's span is made when the call is over, with the times of the event: these are on the loop's clock, which
    never steps back, and are laid onto the wall clock where the run begins.
    """

    def __init__(self, tracer: Tracer, instruments: Instruments, *, capture_content: bool) -> None:
        self._tracer = tracer
        self._instruments = instruments
        self._capture_content = capture_content
        self._span: Span | None = None
        self._context: Context | None = None
        self._epoch_ns = 0
        self._began_ns = 0
        self._in_flight = 0

    def __call__(self, event: Event) -> None:
        if isinstance(event, ItemFinished):
            self._instruments.items.add(1, _item_attributes(event.result))
        elif isinstance(event, CallFinished):
            self._call(event)
        elif isinstance(event, RetryScheduled):
            self._instruments.retries.add(1, {ERROR_TYPE: event.error.code})
        elif isinstance(event, Throttled):
            self._instruments.throttles.add(1, {ERROR_TYPE: event.error.code})
        elif isinstance(event, BatchProgress):
            self._level(event.in_flight)
        elif isinstance(event, BatchStarted):
            self._begin(event)
        elif isinstance(event, BatchFinished):
            self._finish(event)

    def _begin(self, event: BatchStarted) -> None:
        self._began_ns = time.time_ns()
        self._epoch_ns = self._began_ns - _ns(asyncio.get_running_loop().time())
        attributes: Attributes = {f"{_NAME}.max_concurrent": event.max_concurrent}
        self._span = self._tracer.start_span(f"{_NAME}.batch", attributes=attributes, start_time=self._began_ns)
        self._context = trace.set_span_in_context(self._span)

    def _call(self, event: CallFinished) -> None:
        target, outcome = target_of(event.model, event.endpoint), outcome_of(event)
        if target.is_model:
            self._measure(event, {**target.attributes, **outcome})
        if event.cost_usd:
            self._instruments.cost.add(event.cost_usd, target.attributes)
        if self._span is None or not self._span.is_recording():
            return
        start_ns = self._epoch_ns + _ns(event.started_at)
        span = self._tracer.start_span(
            target.span_name,
            context=self._context,
            kind=SpanKind.CLIENT if target.is_model else SpanKind.INTERNAL,
            attributes={**target.attributes, **outcome, **details_of(event, content=self._capture_content)},
            start_time=start_ns,
        )
        if event.error is not None:
            span.set_status(Status(StatusCode.ERROR, event.error.message if self._capture_content else None))
        span.end(start_ns + _ns(event.latency_s))

    def _measure(self, event: CallFinished, attributes: Attributes) -> None:
        self._instruments.duration.record(event.latency_s, attributes)
        if event.usage is not None:
            self._instruments.tokens.record(event.usage.input_tokens, {**attributes, TOKEN_TYPE: "input"})
            self._instruments.tokens.record(event.usage.output_tokens, {**attributes, TOKEN_TYPE: "output"})

    def _level(self, in_flight: int) -> None:
        if in_flight != self._in_flight:
            self._instruments.in_flight.add(in_flight - self._in_flight)
            self._in_flight = in_flight

    def _finish(self, event: BatchFinished) -> None:
        self._level(0)
        if self._span is None:
            return
        self._span.set_attributes(_summary_attributes(event.summary))
        if event.summary.stopped:
            self._span.set_attribute(ERROR_TYPE, event.summary.stopped.partition(":")[0])
            self._span.set_status(Status(StatusCode.ERROR))
        self._span.end(self._began_ns + _ns(event.summary.elapsed_s))


def _item_attributes(result: ItemResult) -> Attributes:
    attributes: Attributes = {
        f"{_NAME}.item.status": result.status,
        f"{_NAME}.item.from_journal": result.from_journal,
    }
    if result.error is not None:
        attributes[ERROR_TYPE] = result.error.code
    return attributes


def _summary_attributes(summary: BatchSummary) -> Attributes:
    figures = {name: getattr(summary, name) for name in _SUMMED}
    return {f"{_NAME}.{name}": value for name, value in figures.items() if value is not None}


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)
