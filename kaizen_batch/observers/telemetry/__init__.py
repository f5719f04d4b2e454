"""Traces and metrics of a run, over OpenTelemetry."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from kaizen_batch.errors import ConfigError
from kaizen_batch.events import EventSink, SinkOfRuns

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider


class TelemetrySink(SinkOfRuns):
    """Records runs with OpenTelemetry: a span for each batch and each call in it, and metrics.

    >>> agent = BatchProcessorAgent(on_event=TelemetrySink())

    Call spans and the histograms `gen_ai.client.operation.duration` (seconds) and `gen_ai.client.token.usage` follow
    the semantic conventions for generative AI; `error.type` is the error's code. The span of the batch,
    `kaizen_batch.batch`, is a child of the span that is current where the batch is read. Own metrics are the
    counters `kaizen_batch.items`, `.retries`, `.throttles` and `.cost` (USD), and `kaizen_batch.in_flight`.

    Without `tracer_provider` and `meter_provider` the global ones are used. Prompts, answers and messages of errors
    are recorded with `capture_content=True` only.

    Raises: ConfigError without the extra `telemetry`.
    """

    def __init__(
        self,
        *,
        tracer_provider: "TracerProvider | None" = None,
        meter_provider: "MeterProvider | None" = None,
        capture_content: bool = False,
    ) -> None:
        try:
            from kaizen_batch.observers.telemetry import recording
        except ModuleNotFoundError as error:
            if not (error.name or "").startswith("opentelemetry"):
                raise
            raise ConfigError("telemetry needs its extra: pip install 'kaizen-batch[telemetry]'") from None
        instruments = recording.Instruments(meter_provider)
        tracer = recording.tracer_of(tracer_provider)
        self._begin: Callable[[], EventSink] = partial(
            recording.RunRecorder, tracer, instruments, capture_content=capture_content
        )

    def for_run(self) -> EventSink:
        """The recorder of one run."""
        return self._begin()
