"""The simulator's settings."""

import math
from dataclasses import dataclass, field, fields, replace
from typing import Any

_WORDS = {"structured": ("all", "json_object", "none", "ignored"), "think": ("", "inline", "field")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How the simulator treats each call; every field is also a command-line option.

    Latency:
    - `latency_s`: seconds that a call takes, independent of the length of its answer.
    - `latency_sigma`: above 0, `latency_s` is the median of a lognormal distribution with this spread.
    - `per_token_s`: seconds added for each token of the answer.
    - `knee`: calls in flight above which calls slow down; the client is not told.
    - `knee_power`: beyond the knee a call takes (in flight / knee) ** knee_power times as long.
    - `shed_at`: with more calls in flight than this, answer 503 server_is_overloaded.
    - `brownout`: start and end (seconds after the server's start) and the factor on the latency of calls in between.

    Limits and money:
    - `requests_per_minute`: strict sliding window over admitted requests; above it 429, with retry-after-ms.
    - `tokens_per_minute`: the same for tokens, charged on arrival.
    - `window_s`: length of both windows in seconds; they hold the share window_s / 60 of a minute's limit.
    - `charge_max_tokens`: charge the prompt and `max_tokens` in place of the true total.
    - `used_elsewhere_rpm`: requests per minute that another client uses, evenly, of the request window.
    - `quota_after`: calls to bill; every further call gets 429 insufficient_quota.
    - `price_input`: USD per million prompt tokens.
    - `price_output`: USD per million output tokens.

    Faults that are not billed (shares of the calls, 0 to 1):
    - `rate_429`: 429 rate_limit_exceeded, with `retry_after_s` in the header retry-after-ms.
    - `rate_slow_down`: 429 slow_down, with the same header.
    - `rate_500`: 500, sometimes 502 (a gateway's HTML page) or 503.

    Faults that are billed (shares of the calls, 0 to 1):
    - `rate_torn`: the connection is closed without a response.
    - `rate_bad_json`: half of the JSON, with a matching content length.
    - `rate_truncated`: the content length of the whole body, but the connection is closed in the middle of it.
    - `rate_not_json`: 200 with an HTML page.
    - `rate_wrong_type`: the right answer, with the content type text/plain.
    - `rate_no_usage`: the right answer without `usage`.
    - `rate_duplicate_id`: the right answer with the id of another one.
    - `rate_hang`: no response; the connection stays open for `hang_s`.

    Batches (`/v1/files` and `/v1/batches`):
    - `batch_s`: seconds from the creation of a batch to its end.
    - `batch_window_s`: seconds until a batch expires, which stand for its 24 hours.
    - `batch_cancel_s`: seconds from a cancellation to its end.
    - `batch_discount`: price of a request in a batch, and of one with the service tier flex, as a share of a live one.
    - `batch_queue_tokens`: prompt tokens of all open batches; above it a batch fails with token_limit_exceeded.
    - `batch_list`: batches can be listed.
    - `batch_zero_counts`: the counts of requests are always 0.
    - `batch_mixed_case`: states are sometimes in upper case.
    - `batch_rate_expired`: share of requests that expire, unbilled.
    - `batch_rate_error`: share of requests that fail with a 500, unbilled.
    - `batch_rate_missing`: share of requests that are in neither file, billed.
    - `batch_rate_null_output`: share of batches that complete without an output file, billed.
    - `batch_rate_lost_upload`: share of uploads whose response is lost.
    - `batch_rate_lost_create`: share of creations whose response is lost.

    Other:
    - `structured`: what `response_format` may be: "all" (with the rules of strict mode), "json_object", "none", or
      "ignored".
    - `think`: answers come with reasoning, as "<think>" in the text ("inline") or in "reasoning_content" ("field").
    - `flex`: requests with the service tier flex are accepted.
    - `retry_after_s`: seconds that a throttled client is asked to wait.
    - `torn_before_billing`: a torn call is not billed.
    - `hang_s`: seconds until a hung connection is closed.
    - `api_key`: the only key that is accepted; None accepts any.
    - `ledger_path`: a file to which each ledger entry is appended at once, as a line of JSON.
    - `seed`: seeds latencies and faults.

    Raises: ValueError for a value out of range.
    """

    latency_s: float = 0.0
    latency_sigma: float = 0.0
    per_token_s: float = 0.0
    knee: int | None = None
    knee_power: float = 2.0
    shed_at: int | None = None
    brownout: tuple[float, float, float] | None = None
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    window_s: float = 60.0
    charge_max_tokens: bool = False
    used_elsewhere_rpm: float = 0.0
    quota_after: int | None = None
    price_input: float = 0.0
    price_output: float = 0.0
    rate_429: float = 0.0
    rate_slow_down: float = 0.0
    rate_500: float = 0.0
    rate_torn: float = 0.0
    rate_bad_json: float = 0.0
    rate_truncated: float = 0.0
    rate_not_json: float = 0.0
    rate_wrong_type: float = 0.0
    rate_no_usage: float = 0.0
    rate_duplicate_id: float = 0.0
    rate_hang: float = 0.0
    batch_s: float = 0.05
    batch_window_s: float = 86_400.0
    batch_cancel_s: float = 0.01
    batch_discount: float = 0.5
    batch_queue_tokens: int | None = None
    batch_list: bool = True
    batch_zero_counts: bool = False
    batch_mixed_case: bool = False
    batch_rate_expired: float = 0.0
    batch_rate_error: float = 0.0
    batch_rate_missing: float = 0.0
    batch_rate_null_output: float = 0.0
    batch_rate_lost_upload: float = 0.0
    batch_rate_lost_create: float = 0.0
    structured: str = "all"
    think: str = ""
    flex: bool = True
    retry_after_s: float = 0.05
    torn_before_billing: bool = True
    hang_s: float = 3600.0
    api_key: str | None = None
    ledger_path: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name, value in self.numbers().items():
            if not value >= 0 or math.isinf(value):
                raise ValueError(f"{name} must be a finite number >= 0; given: {value!r}")
        if sum(self.rates().values()) > 1 + 1e-9:
            raise ValueError(f"the rates must not add up to more than 1; given: {self.rates()}")
        if 0 in (self.window_s, self.batch_s, self.knee):
            raise ValueError("window_s, batch_s and knee must be above 0")
        if self.structured not in ("all", "json_object", "none", "ignored"):
            raise ValueError(
                f'structured must be "all", "json_object", "none" or "ignored"; given: {self.structured!r}'
            )
        if self.think not in ("", "inline", "field"):
            raise ValueError(f'think must be "", "inline" or "field"; given: {self.think!r}')
        self._check_batches()
        self._check_times()

    def _check_batches(self) -> None:
        for name, share in self.numbers().items():
            if name.startswith("batch_rate_") and share > 1:
                raise ValueError(f"{name} must be a share from 0 to 1; given: {share!r}")

    def _check_times(self) -> None:
        if self.brownout is not None and not self.brownout[0] < self.brownout[1]:
            raise ValueError(f"brownout must start before it ends; given: {self.brownout!r}")
        for name in ("requests_per_minute", "tokens_per_minute"):
            limit = self.per_window(getattr(self, name))
            if limit is not None and limit < 1:
                least = math.ceil(60 / self.window_s)
                raise ValueError(f"{name} must be at least {least} for a window of {self.window_s} s")

    def numbers(self) -> dict[str, float]:
        """The numeric fields, without the seed."""
        given = {spec.name: getattr(self, spec.name) for spec in fields(self) if spec.name != "seed"}
        return {name: value for name, value in given.items() if isinstance(value, int | float)}

    def rates(self) -> dict[str, float]:
        """The shares of the faults that occur, by name."""
        given = {name.removeprefix("rate_"): n for name, n in self.numbers().items() if name.startswith("rate_")}
        return {name: share for name, share in given.items() if share > 0}

    def per_window(self, per_minute: float | None) -> float | None:
        """The limit per minute, converted to one window."""
        # The addend corrects rounding: 600 * 0.1 / 60 must be 1.
        return None if per_minute is None else per_minute * self.window_s / 60 + 1e-9


@dataclass(frozen=True, slots=True)
class Reply:
    """A response that a test makes the simulator send instead of its own; `body` is JSON, or raw text.

    The status 0 closes the connection without a response.
    """

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)

    def with_headers(self, headers: dict[str, str]) -> "Reply":
        """The same with these headers in addition."""
        return replace(self, headers={**self.headers, **headers})


TORN = Reply(0)


def error_reply(status: int, code: str | None, message: str = "", *, param: str | None = None) -> Reply:
    """A Reply in the shape of OpenAI's errors."""
    error = {"message": message or f"status {status}", "type": "error", "param": param, "code": code}
    return Reply(status, {"error": error})
