"""Messages of the library in the words of the command line: options become flags."""

import re

# Phrases that name several options, or whose flag has another form; the names alone come after them.
_PHRASES = (
    (r"or pass api_key=\.\.\.; pass base_url=\.\.\. for", "or give --base-url for"),
    (r'or try llm_provider="mock"', "or try --provider mock"),
    (r"\bOPENAI_API_KEY or api_key\b", "OPENAI_API_KEY"),
    (r"\bpass overwrite=True\b", "give --overwrite"),
    (r"\bchoose another output\b", "another --output"),
    (r"\b(delimiter|quote|ragged)='([^']*)'", r"--\1 '\2'"),
    (r'(?:pass )?price=\{"input": \.\.\., "output": \.\.\.\}, in USD', "give --price IN OUT, in USD"),
    (r"\bjournal=\.\.\.", "--journal"),
    (r"\bcorrect model or\b", "correct --model or"),
    (r"\bcheck model and\b", "check --model and"),
    (r"\bset temperature=None\b", "give --temperature none"),
    (r"\bset max_tokens=None\b", "give --max-tokens none"),
    (r"\bleave it out of parameters\b", "leave out its --param"),
    (r"\badd a fallback model\b", "add a model with --fallback"),
)
_NAMES = {
    "base_url": "--base-url",
    "budget_usd": "--budget",
    "chunk_tokens": "--chunk-tokens",
    "deadline_s": "--deadline",
    "encoding": "--encoding",
    "endpoint_name": "--endpoint-name",
    "finish_by": "--finish-by",
    "grace_s": "--grace",
    "hedge_after": "--hedge-after",
    "input_format": "--input-format",
    "journal": "--journal",
    "json_path": "--json-path",
    "llm_provider": "--provider",
    "max_concurrent": "--max-concurrent",
    "max_tokens": "--max-tokens",
    "on_empty": "--on-empty",
    "on_error": "--on-error",
    "on_missing": "--on-missing",
    "on_truncated": "--on-truncated",
    "output_format": "--output-format",
    "requests_per_day": "--rpd",
    "requests_per_minute": "--rpm",
    "requests_per_second": "--rps",
    "safe_cells": "--safe-cells",
    "source_column": "--source-column",
    "structured": "--structured",
    "system_prompt": "--system",
    "timeout_s": "--timeout",
    "tokens_per_minute": "--tpm",
    "wait_for_endpoint_s": "--wait-for-endpoint",
}
# English words are options only where a value follows.
_WORDS = frozenset(("encoding", "journal"))
_NAMED = re.compile(
    r"(?<![\w./-])('?)("
    + "|".join(rf"{name}(?==)" if name in _WORDS else name for name in _NAMES)
    + r")\1(?:='([^']*)'|=(?=\S)|(?![\w/=]))"
)


def flagged(message: str) -> str:
    """The message with flags in place of Python's options.

    >>> flagged("pass encoding='cp1252', or raise budget_usd")
    'pass --encoding cp1252, or raise --budget'
    """
    for python, flags in _PHRASES:
        message = re.sub(python, flags, message)
    return _NAMED.sub(_as_flag, message)


def _as_flag(found: "re.Match[str]") -> str:
    flag, value = _NAMES[found[2]], found[3]
    if value is not None:
        return f"{flag} {value}"
    return f"{flag} " if found[0].endswith("=") else flag
