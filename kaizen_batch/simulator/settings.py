"""How the simulator behaves."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Settings:
    """What the simulator does to each call.

    `latency_s` are seconds, with `latency_sigma` above 0 the median of a lognormal distribution. The rates are
    shares (0 to 1) of calls: `rate_429` (with `retry_after_s` in its headers) and `rate_500` are refused and not
    billed; `rate_torn` closes the connection without an answer after the call was billed, or before with
    `torn_before_billing`; `rate_bad_json` bills the call and answers with half a body. `api_key`, if set, is the
    only key that is let in. `seed` is that of latencies and faults.
    """

    latency_s: float = 0.0
    latency_sigma: float = 0.0
    rate_429: float = 0.0
    rate_500: float = 0.0
    rate_torn: float = 0.0
    rate_bad_json: float = 0.0
    retry_after_s: float = 0.05
    torn_before_billing: bool = True
    api_key: str | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer that a test asks the simulator to give instead of its own; `body` is JSON, or a text as it is."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
