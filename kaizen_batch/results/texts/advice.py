"""What each error code means, what to do about it, and whether the same request can succeed later.

One table for the end of a run, `status`, the report and the failed rows. Options have their Python names here; the
command line replaces them by its flags.
"""

import re
from typing import NamedTuple


class Advice(NamedTuple):
    """`cause` completes "8 rows failed:", `fix` is an imperative; `retry` says that running again can help as is."""

    cause: str
    fix: str
    retry: bool = False


_CODES = {
    "length": Advice("the answer was cut off", "raise max_tokens"),
    "empty_output": Advice("the answer is empty", "raise max_tokens if the model reasons, or change the prompt"),
    "refusal": Advice("the model refused", "change the prompt, or add a fallback model"),
    "content_filter": Advice("a content filter stopped the answer", "change the prompt, or add a fallback model"),
    "invalid_output": Advice(
        "the answer does not fit the schema", "simplify the schema, use a stronger model, or run again", retry=True
    ),
    "invalid_input": Advice("a value that the prompt needs is missing", "complete these rows"),
    "missing_values": Advice("all values that the prompt needs are empty", "complete these rows"),
    "never_fits": Advice("the request alone exceeds a limit", "shorten these rows, or raise the limit"),
    "context_length_exceeded": Advice("the prompt exceeds the model's context window", "shorten these rows"),
    "bad_request": Advice("the endpoint rejects the request", "correct what its message names"),
    "unsupported_parameter": Advice("the model rejects a parameter", "correct what its message names"),
    "timeout": Advice("no answer in time", "run again later, or raise timeout_s", retry=True),
    "connection": Advice("the connection failed", "run again when the endpoint is reachable", retry=True),
    "no_answer": Advice("no answer came", "run again later", retry=True),
    "cancelled": Advice("the call was cancelled", "run again", retry=True),
    "rate_limit_exceeded": Advice(
        "the endpoint throttled the calls", "lower max_concurrent or set requests_per_minute", retry=True
    ),
    "server_error": Advice("the endpoint failed", "run again later", retry=True),
    "server_is_overloaded": Advice("the endpoint is overloaded", "run again later", retry=True),
    "bad_response": Advice("the endpoint sent no chat completion", "check base_url, or run again later", retry=True),
    "not_attempted": Advice("the run ended before their turn", "run again", retry=True),
    "in_batch": Advice("in a batch of the provider", "run again to collect the answers", retry=True),
    "deadline_exceeded": Advice("the deadline passed", "raise deadline_s", retry=True),
    "insufficient_quota": Advice("the account has no credit left", "top up the account", retry=True),
    "invalid_api_key": Advice("the endpoint rejected the API key", "set the right OPENAI_API_KEY", retry=True),
    "permission_denied": Advice("the endpoint refused this prompt, or the key", "check the prompt and the key"),
    "tls": Advice("the certificate of the endpoint is not accepted", "correct base_url or SSL_CERT_FILE", retry=True),
    "host_not_found": Advice("the endpoint's host name is unknown", "correct base_url", retry=True),
    "request_too_large": Advice("the request exceeds a limit by itself", "shorten these rows or lower max_tokens"),
    "response_too_large": Advice("the response is too large", "lower max_tokens"),
    "model_not_found": Advice("the endpoint does not know the model", "correct model or base_url", retry=True),
    "endpoint_down": Advice("the endpoint is down", "wait until it is back", retry=True),
    "budget_exhausted": Advice(
        "the budget does not cover the next call", "raise budget_usd, or lower max_tokens", retry=True
    ),
    "earlier_failure": Advice("an earlier step of the workflow failed", "correct that step"),
    "agent_failed": Advice("the function failed", "correct what its message names"),
}
_UNKNOWN = Advice("", "see the error of each")

_STOPS = {
    "AuthenticationError": _CODES["invalid_api_key"],
    "BudgetExhaustedError": _CODES["budget_exhausted"],
    "DeadlineError": Advice("", "run again, or raise deadline_s", retry=True),
    "EndpointDownError": Advice("the endpoint is down", "wait until the endpoint is back", retry=True),
    "JournalError": Advice("the journal cannot be written", "correct what the message names", retry=True),
    "ModelNotFoundError": _CODES["model_not_found"],
    "QuotaExhaustedError": _CODES["insufficient_quota"],
    "TlsError": Advice("TLS to the endpoint fails", "correct what the message names", retry=True),
    "KeyboardInterrupt": Advice("you pressed Ctrl-C", "run again", retry=True),
    "SystemExit": Advice("a signal ended the run", "run again", retry=True),
    "StoppedError": Advice("", "run again", retry=True),
}

# What the engine adds for programs: how to resume, which every view here says in its own terms.
_HINTS = re.compile(r"; (raise |[\d,]+ items of this run ).*", re.DOTALL)


_SYSTEM = {
    "Too many open files": "raise the limit of open files (ulimit -n)",
    "unable to open database file": "check the folder's permissions, and the limit of open files (ulimit -n)",
    "No space left on device": "free some space",
    "Disk quota exceeded": "free some space, or choose another disk",
    "File too large": "raise the limit of a file's size (ulimit -f), or choose another disk",
    "Read-only file system": "choose a folder on another disk",
}


def fix_of(why: str) -> str:
    """What to do about a file that cannot be written, by the reason that the system gives."""
    return _SYSTEM.get(why, "name a file in a folder that you may write to")


def advice_on(code: str) -> Advice:
    """The advice for an error code; for a code that only the endpoint knows, to look at the errors."""
    if code in _CODES:
        return _CODES[code]
    return _CODES["server_error"] if code.startswith("5") and code.isdigit() else _UNKNOWN


def why_stopped(stopped: str) -> tuple[Advice, str]:
    """What ended a run early, from `BatchSummary.stopped`: the advice, and the message without class and hints."""
    kind, separator, message = stopped.partition(": ")
    if not separator or not kind.isidentifier():
        kind, message = "", stopped
    return _STOPS.get(kind, _STOPS["StoppedError"]), _HINTS.sub("", message)
