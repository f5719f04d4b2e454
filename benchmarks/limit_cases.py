"""The cases of `limits`: what a server enforces and announces, and what its client is told about it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from benchmarks.rate_windows import Bucket, Fixed, ServerWindow, Sliding

Kind = Callable[[float, float], ServerWindow]
Known = Literal["limit", "headers", "nothing"]
Asks = Literal["seconds", "ms", "body", "nothing"]

MINUTE_S = 60.0
MOST_REFUSED: dict[Known, float] = {"limit": 0.01, "headers": 0.01, "nothing": 0.05}
LEAST_USED = 0.97
ITEMS = 6_000  # more than can be answered in the time of any case


@dataclass(frozen=True, slots=True)
class Enforced:
    """One window of the server."""

    kind: Kind
    limit: int
    period_s: float = MINUTE_S
    quantity: Literal["requests", "tokens"] = "requests"


@dataclass(frozen=True, slots=True)
class Case:
    """One server and what its client knows.

    `family` names the headers it sends, `asks` how a 429 says when to come back, `options` are those of our
    configuration; the others are told `requests_per_minute` if they can be. `answers` are the median and the sigma of
    the tokens of an answer. `killed_at` calls, the client is killed and started again. `ours_only` marks what the
    others have no equivalent of."""

    label: str
    enforced: tuple[Enforced, ...]
    known: Known = "limit"
    family: str | None = None
    asks: Asks = "seconds"
    options: dict[str, Any] = field(default_factory=dict)
    arm: str = "limited"
    latency_s: float = 0.2
    at_once: int = 50
    seconds: float = 240.0
    answers: tuple[float, float] = (20.0, 0.0)
    killed_at: int | None = None
    ours_only: bool = False


RPM, TPM = 300, 60_000
_SET = {"requests_per_minute": RPM}
_BUCKET, _SLIDING, _FIXED = Enforced(Bucket, RPM), Enforced(Sliding, RPM), Enforced(Fixed, RPM)
_PER_SECOND, _PER_10_S = Enforced(Bucket, 5, 1.0), Enforced(Sliding, 50, 10.0)
_TOKENS = Enforced(Sliding, TPM, quantity="tokens")
_LONG: dict[str, Any] = {"latency_s": 30.0, "at_once": 250}
_ANSWERS = (90.0, 0.6)


def _announced(family: str, *enforced: Enforced) -> Case:
    return Case(f"{family} headers", enforced, "headers", family)


CASES: tuple[Case, ...] = (
    Case("any 60 s, RPM set", (_SLIDING,), options=_SET),
    Case("each minute of the clock, RPM set", (_FIXED,), options=_SET),
    Case("token bucket, RPM set", (_BUCKET,), options=_SET),
    Case("5 a second, RPM set", (_PER_SECOND,), options=_SET),
    Case("5 a second, retry-after-ms, RPM set", (_PER_SECOND,), asks="ms", options=_SET),
    Case("50 in 10 s, RPM set", (_PER_10_S,), options=_SET),
    Case("30 s calls, RPM set", (_BUCKET,), options={**_SET, "rate_counts_from": "sending"}, **_LONG),
    Case("30 s calls, headers", (_BUCKET,), "headers", "OpenAI", **_LONG),
    Case(
        "TPM set, max_tokens=None",
        (_TOKENS,),
        options={"tokens_per_minute": TPM, "max_tokens": None},
        answers=_ANSWERS,
        ours_only=True,
    ),
    Case(
        "TPM set, max_tokens=4096",
        (_TOKENS,),
        options={"tokens_per_minute": TPM, "max_tokens": 4096},
        answers=_ANSWERS,
        ours_only=True,
    ),
    Case(
        "killed and run again, RPM set", (_SLIDING,), options={**_SET, "journal": True}, killed_at=450, ours_only=True
    ),
    Case(
        "process_single, RPM 60 set",
        (Enforced(Sliding, 60),),
        options={"requests_per_minute": 60},
        arm="one_by_one",
        ours_only=True,
    ),
    _announced("OpenAI", _BUCKET, _TOKENS),
    _announced("Azure", _FIXED),
    _announced("Anthropic", _BUCKET),
    _announced("Mistral", _FIXED),
    _announced("Groq", Enforced(Bucket, 14_400, 86_400.0), Enforced(Bucket, 12_000, quantity="tokens")),
    _announced("IETF", _SLIDING),
    _announced("plain", _SLIDING),
    Case("token bucket, Retry-After", (_BUCKET,), "nothing"),
    Case("token bucket, no Retry-After", (_BUCKET,), "nothing", asks="nothing"),
    Case("any 60 s, Retry-After", (_SLIDING,), "nothing"),
    Case("each minute of the clock, Retry-After", (_FIXED,), "nothing"),
    Case("each minute of the clock, no Retry-After", (_FIXED,), "nothing", asks="nothing"),
    Case("5 a second, Retry-After", (_PER_SECOND,), "nothing"),
    Case("50 in 10 s, RetryInfo in the body", (_PER_10_S,), "nothing", asks="body"),
)
