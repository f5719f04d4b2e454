"""kaizen-batch: send many items through a language model, or any async function, concurrently and within limits.

All public names are here. Each is imported on first use (PEP 562), so that importing the package is fast, and using
the engine alone does not import Kailash.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kaizen_batch.agents import Agent, AgentLike, BatchItem, FunctionAgent, ModelAgent, ProviderLike, SmallAgent
    from kaizen_batch.config import (
        BatchConfig,
        BatchOptions,
        BatchSettings,
        BatchSettingsOptions,
        FallbackOptions,
        RunConfig,
        RunOptions,
    )
    from kaizen_batch.errors import (
        AgentError,
        AuthenticationError,
        BadRequestError,
        BatchError,
        BudgetExhaustedError,
        ConfigError,
        DeadlineError,
        EarlierFailureError,
        EndpointDownError,
        FatalError,
        InBatchError,
        IncompleteRunError,
        InputError,
        InvalidOutputError,
        ItemTooLargeError,
        JournalError,
        KaizenBatchError,
        ModelNotFoundError,
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
        UnsupportedParameterError,
    )
    from kaizen_batch.events import (
        BatchesWaiting,
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
    from kaizen_batch.files import Records, RecordWriter, open_records, record_writer
    from kaizen_batch.files.jobs import FileJob, JobResult, run_job
    from kaizen_batch.files.templates import PromptTemplate
    from kaizen_batch.journal import Entry, Journal, StoredAnswer
    from kaizen_batch.limits.rate import RateLimit
    from kaizen_batch.limits.rate_limits import RateLimits
    from kaizen_batch.limits.retries import RetryOptions, RetryPolicy
    from kaizen_batch.nodes import (
        AgentOptions,
        BaseAgent,
        BatchProcessorAgent,
        JoinResultsNode,
        NodeOptions,
        PromptTemplateNode,
    )
    from kaizen_batch.observers.logs import logging_sink
    from kaizen_batch.observers.progress import progress_sink
    from kaizen_batch.observers.telemetry import TelemetrySink
    from kaizen_batch.prices import Price, PriceOptions, Usage, UsageDict
    from kaizen_batch.providers import (
        Completion,
        MockProvider,
        OpenAIProvider,
        OutputSchema,
        Parameters,
        Provider,
        Request,
        register_provider,
    )
    from kaizen_batch.results import (
        BatchResult,
        BatchSummary,
        Envelope,
        ErrorDict,
        ItemError,
        ItemResult,
        ModelEnvelope,
        Result,
    )
    from kaizen_batch.signature import InputField, OutputField, ProcessingSignature, Signature, SignatureLike
    from kaizen_batch.signature.media import Document, Image
    from kaizen_batch.strategies import BatchRun, ParallelBatchStrategy

__version__ = "0.2.0.dev0"

_NAMES = {
    "kaizen_batch.agents": "Agent AgentLike BatchItem FunctionAgent ModelAgent ProviderLike SmallAgent",
    "kaizen_batch.config": """
        BatchConfig BatchOptions BatchSettings BatchSettingsOptions FallbackOptions RunConfig RunOptions
    """,
    "kaizen_batch.errors": """
        AgentError AuthenticationError BadRequestError BatchError BudgetExhaustedError ConfigError DeadlineError
        EarlierFailureError EndpointDownError FatalError InBatchError IncompleteRunError InputError
        InvalidOutputError ItemTooLargeError JournalError KaizenBatchError ModelNotFoundError NoAnswerError
        NotAttemptedError OutputError OverloadedError ProviderError QuotaExhaustedError RecordError
        RefusedOutputError ServerError SignatureError StoppedError ThrottledError TruncatedOutputError
        UnsupportedParameterError
    """,
    "kaizen_batch.events": """
        BatchFinished BatchProgress BatchStarted BatchesWaiting CallFinished Event EventSink ItemFinished
        RetryScheduled SinkOfRuns Throttled
    """,
    "kaizen_batch.files": "RecordWriter Records open_records record_writer",
    "kaizen_batch.files.jobs": "FileJob JobResult run_job",
    "kaizen_batch.files.templates": "PromptTemplate",
    "kaizen_batch.journal": "Entry Journal StoredAnswer",
    "kaizen_batch.limits.rate": "RateLimit",
    "kaizen_batch.limits.rate_limits": "RateLimits",
    "kaizen_batch.limits.retries": "RetryOptions RetryPolicy",
    "kaizen_batch.nodes": "AgentOptions BaseAgent BatchProcessorAgent JoinResultsNode NodeOptions PromptTemplateNode",
    "kaizen_batch.observers.logs": "logging_sink",
    "kaizen_batch.observers.progress": "progress_sink",
    "kaizen_batch.observers.telemetry": "TelemetrySink",
    "kaizen_batch.prices": "Price PriceOptions Usage UsageDict",
    "kaizen_batch.providers": """
        Completion MockProvider OpenAIProvider OutputSchema Parameters Provider Request register_provider
    """,
    "kaizen_batch.results": "BatchResult BatchSummary Envelope ErrorDict ItemError ItemResult ModelEnvelope Result",
    "kaizen_batch.signature": "InputField OutputField ProcessingSignature Signature SignatureLike",
    "kaizen_batch.signature.media": "Document Image",
    "kaizen_batch.strategies": "BatchRun ParallelBatchStrategy",
}
_HOME = {name: module for module, names in _NAMES.items() for name in names.split()}


# Names of release 0.1. They work until 0.3.
_RENAMED = {
    "AdaptedError": "UnsupportedParameterError",
    "Answer": "StoredAnswer",
    "NeverFitsError": "ItemTooLargeError",
}


def __getattr__(name: str) -> Any:
    if name in _RENAMED:
        import warnings

        new = _RENAMED[name]
        warnings.warn(f"kaizen_batch.{name} is now kaizen_batch.{new}", DeprecationWarning, stacklevel=2)
        return getattr(import_module(__name__), new)
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_HOME[name]), name)
    return found


def __dir__() -> list[str]:
    return [*globals(), *_HOME]


__all__ = [
    "Agent",
    "AgentError",
    "AgentLike",
    "AgentOptions",
    "AuthenticationError",
    "BadRequestError",
    "BaseAgent",
    "BatchConfig",
    "BatchError",
    "BatchFinished",
    "BatchItem",
    "BatchOptions",
    "BatchProcessorAgent",
    "BatchProgress",
    "BatchResult",
    "BatchRun",
    "BatchSettings",
    "BatchSettingsOptions",
    "BatchStarted",
    "BatchSummary",
    "BatchesWaiting",
    "BudgetExhaustedError",
    "CallFinished",
    "Completion",
    "ConfigError",
    "DeadlineError",
    "Document",
    "EarlierFailureError",
    "EndpointDownError",
    "Entry",
    "Envelope",
    "ErrorDict",
    "Event",
    "EventSink",
    "FallbackOptions",
    "FatalError",
    "FileJob",
    "FunctionAgent",
    "Image",
    "InBatchError",
    "IncompleteRunError",
    "InputError",
    "InputField",
    "InvalidOutputError",
    "ItemError",
    "ItemFinished",
    "ItemResult",
    "ItemTooLargeError",
    "JobResult",
    "JoinResultsNode",
    "Journal",
    "JournalError",
    "KaizenBatchError",
    "MockProvider",
    "ModelAgent",
    "ModelEnvelope",
    "ModelNotFoundError",
    "NoAnswerError",
    "NodeOptions",
    "NotAttemptedError",
    "OpenAIProvider",
    "OutputError",
    "OutputField",
    "OutputSchema",
    "OverloadedError",
    "ParallelBatchStrategy",
    "Parameters",
    "Price",
    "PriceOptions",
    "ProcessingSignature",
    "PromptTemplate",
    "PromptTemplateNode",
    "Provider",
    "ProviderError",
    "ProviderLike",
    "QuotaExhaustedError",
    "RateLimit",
    "RateLimits",
    "RecordError",
    "RecordWriter",
    "Records",
    "RefusedOutputError",
    "Request",
    "Result",
    "RetryOptions",
    "RetryPolicy",
    "RetryScheduled",
    "RunConfig",
    "RunOptions",
    "ServerError",
    "Signature",
    "SignatureError",
    "SignatureLike",
    "SinkOfRuns",
    "SmallAgent",
    "StoppedError",
    "StoredAnswer",
    "TelemetrySink",
    "Throttled",
    "ThrottledError",
    "TruncatedOutputError",
    "UnsupportedParameterError",
    "Usage",
    "UsageDict",
    "logging_sink",
    "open_records",
    "progress_sink",
    "record_writer",
    "register_provider",
    "run_job",
]
