"""kaizen-batch: push many items through a language model, or any async call, concurrently and within limits.

The public names, flat. Each is imported on first use (PEP 562), so that nobody pays for what is not used, and the
engine alone never for Kailash.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
    from kaizen_batch.jobs import FileJob, JobResult, run_job
    from kaizen_batch.journal import Answer, Entry, Journal
    from kaizen_batch.logs import logging_sink
    from kaizen_batch.nodes import BaseAgent, BatchProcessorAgent, JoinResultsNode, PromptTemplateNode
    from kaizen_batch.prices import Price
    from kaizen_batch.progress import progress_sink
    from kaizen_batch.providers import (
        Completion,
        MockProvider,
        OpenAIProvider,
        OutputSchema,
        Provider,
        Request,
        register_provider,
    )
    from kaizen_batch.records import Records, RecordWriter, open_records, record_writer
    from kaizen_batch.results import BatchResult, BatchSummary, ItemError, ItemResult
    from kaizen_batch.retries import RetryPolicy
    from kaizen_batch.signature import InputField, OutputField, ProcessingSignature, Signature
    from kaizen_batch.strategies import BatchRun, ParallelBatchStrategy
    from kaizen_batch.telemetry import TelemetrySink
    from kaizen_batch.templates import PromptTemplate
    from kaizen_batch.usage import Usage

__version__ = "0.1.0"

_NAMES = {
    "kaizen_batch.agents": "Agent FunctionAgent ModelAgent SmallAgent",
    "kaizen_batch.config": "BatchConfig RunConfig",
    "kaizen_batch.errors": """
        AdaptedError AgentError AuthenticationError BadRequestError BatchError BudgetExhaustedError
        ConfigError DeadlineError EndpointDownError FatalError InputError InvalidOutputError JournalError
        KaizenBatchError ModelNotFoundError NeverFitsError NoAnswerError NotAttemptedError OutputError
        OverloadedError ProviderError QuotaExhaustedError RecordError RefusedOutputError ServerError
        SignatureError StoppedError ThrottledError TruncatedOutputError
    """,
    "kaizen_batch.events": """
        BatchFinished BatchProgress BatchStarted CallFinished Event EventSink ItemFinished RetryScheduled
        SinkOfRuns Throttled
    """,
    "kaizen_batch.jobs": "FileJob JobResult run_job",
    "kaizen_batch.journal": "Answer Entry Journal",
    "kaizen_batch.logs": "logging_sink",
    "kaizen_batch.nodes": "BaseAgent BatchProcessorAgent JoinResultsNode PromptTemplateNode",
    "kaizen_batch.prices": "Price",
    "kaizen_batch.progress": "progress_sink",
    "kaizen_batch.providers": """
        Completion MockProvider OpenAIProvider OutputSchema Provider Request register_provider
    """,
    "kaizen_batch.records": "RecordWriter Records open_records record_writer",
    "kaizen_batch.results": "BatchResult BatchSummary ItemError ItemResult",
    "kaizen_batch.retries": "RetryPolicy",
    "kaizen_batch.signature": "InputField OutputField ProcessingSignature Signature",
    "kaizen_batch.strategies": "BatchRun ParallelBatchStrategy",
    "kaizen_batch.telemetry": "TelemetrySink",
    "kaizen_batch.templates": "PromptTemplate",
    "kaizen_batch.usage": "Usage",
}
_HOME = {name: module for module, names in _NAMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_HOME[name]), name)
    return found


def __dir__() -> list[str]:
    return [*globals(), *_HOME]


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
