"""kaizen-batch: push many items through a language model, or any async call, concurrently and within limits.

The public names, flat. Those that need Kailash, or that not every run needs, are imported on first use (PEP 562),
so that the engine alone never pays for them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from kaizen_batch.agents import Agent, FunctionAgent, ModelAgent, SmallAgent
from kaizen_batch.config import BatchConfig, RunConfig
from kaizen_batch.errors import (
    AdaptedError,
    AgentError,
    AuthenticationError,
    BadRequestError,
    BatchError,
    BudgetExhaustedError,
    ConfigError,
    DeadlineError,
    EndpointDownError,
    FatalError,
    InputError,
    InvalidOutputError,
    JournalError,
    KaizenBatchError,
    ModelNotFoundError,
    NeverFitsError,
    NoAnswerError,
    NotAttemptedError,
    OutputError,
    OverloadedError,
    ProviderError,
    QuotaExhaustedError,
    RecordError,
    RefusedOutputError,
    ServerError,
    SignatureError,
    StoppedError,
    ThrottledError,
    TruncatedOutputError,
)
from kaizen_batch.events import (
    BatchFinished,
    BatchProgress,
    BatchStarted,
    CallFinished,
    Event,
    EventSink,
    ItemFinished,
    RetryScheduled,
    SinkOfRuns,
    Throttled,
)
from kaizen_batch.journal import Answer, Entry, Journal
from kaizen_batch.prices import Price
from kaizen_batch.providers import (
    Completion,
    MockProvider,
    OpenAIProvider,
    OutputSchema,
    Provider,
    Request,
    register_provider,
)
from kaizen_batch.results import BatchResult, BatchSummary, ItemError, ItemResult
from kaizen_batch.retries import RetryPolicy
from kaizen_batch.signature import InputField, OutputField, ProcessingSignature, Signature
from kaizen_batch.strategies import BatchRun, ParallelBatchStrategy
from kaizen_batch.templates import PromptTemplate
from kaizen_batch.usage import Usage

if TYPE_CHECKING:
    from kaizen_batch.jobs import FileJob, JobResult, run_job
    from kaizen_batch.logs import logging_sink
    from kaizen_batch.nodes import BaseAgent, BatchProcessorAgent, JoinResultsNode, PromptTemplateNode
    from kaizen_batch.progress import progress_sink
    from kaizen_batch.records import Records, RecordWriter, open_records, record_writer
    from kaizen_batch.telemetry import TelemetrySink

__version__ = "0.1.0"

_ON_FIRST_USE = {
    "BaseAgent": "kaizen_batch.nodes",
    "BatchProcessorAgent": "kaizen_batch.nodes",
    "FileJob": "kaizen_batch.jobs",
    "JobResult": "kaizen_batch.jobs",
    "JoinResultsNode": "kaizen_batch.nodes",
    "PromptTemplateNode": "kaizen_batch.nodes",
    "RecordWriter": "kaizen_batch.records",
    "Records": "kaizen_batch.records",
    "TelemetrySink": "kaizen_batch.telemetry",
    "logging_sink": "kaizen_batch.logs",
    "open_records": "kaizen_batch.records",
    "progress_sink": "kaizen_batch.progress",
    "record_writer": "kaizen_batch.records",
    "run_job": "kaizen_batch.jobs",
}


def __getattr__(name: str) -> Any:
    if name in _ON_FIRST_USE:
        return getattr(import_module(_ON_FIRST_USE[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "AdaptedError",
    "Agent",
    "AgentError",
    "Answer",
    "AuthenticationError",
    "BadRequestError",
    "BaseAgent",
    "BatchConfig",
    "BatchError",
    "BatchFinished",
    "BatchProcessorAgent",
    "BatchProgress",
    "BatchResult",
    "BatchRun",
    "BatchStarted",
    "BatchSummary",
    "BudgetExhaustedError",
    "CallFinished",
    "Completion",
    "ConfigError",
    "DeadlineError",
    "EndpointDownError",
    "Entry",
    "Event",
    "EventSink",
    "FatalError",
    "FileJob",
    "FunctionAgent",
    "InputError",
    "InputField",
    "InvalidOutputError",
    "ItemError",
    "ItemFinished",
    "ItemResult",
    "JobResult",
    "JoinResultsNode",
    "Journal",
    "JournalError",
    "KaizenBatchError",
    "MockProvider",
    "ModelAgent",
    "ModelNotFoundError",
    "NeverFitsError",
    "NoAnswerError",
    "NotAttemptedError",
    "OpenAIProvider",
    "OutputError",
    "OutputField",
    "OutputSchema",
    "OverloadedError",
    "ParallelBatchStrategy",
    "Price",
    "ProcessingSignature",
    "PromptTemplate",
    "PromptTemplateNode",
    "Provider",
    "ProviderError",
    "QuotaExhaustedError",
    "RecordError",
    "RecordWriter",
    "Records",
    "RefusedOutputError",
    "Request",
    "RetryPolicy",
    "RetryScheduled",
    "RunConfig",
    "ServerError",
    "Signature",
    "SignatureError",
    "SinkOfRuns",
    "SmallAgent",
    "StoppedError",
    "TelemetrySink",
    "Throttled",
    "ThrottledError",
    "TruncatedOutputError",
    "Usage",
    "logging_sink",
    "open_records",
    "progress_sink",
    "record_writer",
    "register_provider",
    "run_job",
]
