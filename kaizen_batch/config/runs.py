"""The options of a run, for any agent: frozen values, checked when they are created."""

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Unpack

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from kaizen_batch.config.batches import BatchSettings, Mode, finish_at
from kaizen_batch.config.messages import REDACTED, explain, redacted
from kaizen_batch.config.options import RunOptions
from kaizen_batch.errors import ConfigError
from kaizen_batch.limits.rate import RateLimit, rate_limits
from kaizen_batch.limits.retries import RetryPolicy
from kaizen_batch.prices import Price


class _Options(BaseModel):
    """A frozen set of options; an invalid one raises a ConfigError that names it."""

    # Built on first use: it would be half of the import time of `kaizen_batch`.
    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, defer_build=True
    )

    def __init__(self, **options: object) -> None:
        for name, value in options.items():
            if value == REDACTED:
                raise ConfigError(redacted(name))
        try:
            super().__init__(**options)
        except ValidationError as error:
            # `from None`: pydantic's own message and traceback could show the value of a key.
            raise ConfigError(explain(error, options, list(type(self).model_fields))) from None


class RunConfig(_Options):
    """How a batch is run, for any agent: limits, retries, time, money, the journal.

    >>> RunConfig(max_concurrent=20, requests_per_minute=500, journal="run.db").journal
    PosixPath('run.db')

    - `max_concurrent`: calls in flight at once, per run. With `adaptive` it is the upper bound, and the run discovers
      how much concurrency the endpoint sustains.
    - `requests_per_minute`, `tokens_per_minute`, `requests_per_second`, `requests_per_day`: never exceeded in any
      such time of the server's clock. `pacing`: whether requests may come in bursts (`"burst"`), are spaced evenly
      (`"even"`), or as the server's refusals show (`"auto"`). `rate_counts_from`: when the server counts a call, at its
      `"sending"` or its `"answer"`; `"auto"` assumes neither until the server's headers tell.
    - `journal`: a file that records every call and answer. The same batch with the same journal resumes where an
      earlier run stopped; identical items share one call.
    - `budget_usd`: a hard cap on the cost of the run; with a journal, of all runs on it. `price`: a Price or a dict
      (`input`, `output`, `cached`: USD per million tokens), for models that are not in the price list.
    - `timeout_s`: seconds until one call times out. `deadline_s`: seconds for the whole batch; items that are not done
      by then are `not_attempted`. `grace_s`: seconds in-flight calls get to finish when a run ends early.
    - `wait_for_endpoint_s`: seconds to wait for an endpoint that has never accepted a connection, before the run ends.
    - `hedge_after`: a quantile such as 0.95: send a second (hedged) request when a call is slower than this quantile,
      and use the first answer. Off by default, because both calls are billed.
    - `retry`: a RetryPolicy or a dict of its options. `max_reasks`: how many times to re-ask when an answer does not
      fit the signature.
    - `on_error`: `"collect"` turns a failed item into a result with an error, `"raise"` ends the run with BatchError.
    - `buffer_bytes`: memory for results, and input rows of a file, that wait for an earlier item or for a slow
      consumer. Beyond it, with a journal, what waits for an earlier item goes to the disk, else the run pauses.
    - `window`: a bound on the number of items that are begun and not read, in addition (default: none while results
      wait for an earlier item; for a slow consumer 16 times `max_concurrent`, at least 256).
    - `mode`: `"live"`, `"flex"`, `"batch"` or `"auto"`, the cheapest that is done by `finish_by`, a span such as `"6h"`
      or a time. `detach`: return while batches are under way. `batches`: BatchSettings. See docs/batch.md.
    - `labels`: your own notes, which the journal keeps with the run.

    Raises: ConfigError that names the option, the value given and what is allowed.
    """

    max_concurrent: int = Field(default=10, ge=1, le=100_000)
    adaptive: bool = False
    requests_per_minute: int | None = Field(default=None, ge=1)
    tokens_per_minute: int | None = Field(default=None, ge=1)
    requests_per_second: int | None = Field(default=None, ge=1)
    requests_per_day: int | None = Field(default=None, ge=1)
    pacing: Literal["auto", "burst", "even"] = "auto"
    rate_counts_from: Literal["auto", "sending", "answer"] = "auto"
    journal: Path | None = None
    budget_usd: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    price: Price | None = None
    timeout_s: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    deadline_s: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    grace_s: float = Field(default=10.0, ge=0, allow_inf_nan=False)
    wait_for_endpoint_s: float = Field(default=8.0, ge=0, allow_inf_nan=False)
    hedge_after: float | None = Field(default=None, gt=0, lt=1)
    retry: RetryPolicy = Field(default_factory=RetryPolicy)
    max_reasks: int = Field(default=1, ge=0, le=20)
    on_error: Literal["collect", "raise"] = "collect"
    buffer_bytes: int = Field(default=64 * 2**20, ge=1)
    window: int | None = Field(default=None, ge=1)
    labels: dict[str, str] = Field(default_factory=dict)
    mode: Mode = "live"
    finish_by: str | float | None = None
    detach: bool = False
    batches: BatchSettings = Field(default_factory=BatchSettings)

    @field_validator("finish_by")
    @classmethod
    def _a_time(cls, when: str | float | None) -> str | float | None:
        if when is not None:
            finish_at(when, 0.0)
        return when

    if TYPE_CHECKING:  # the constructor is that of _Options; its options are typed here

        def __init__(self, **options: Unpack[RunOptions]) -> None: ...

    @property
    def rate_limits(self) -> list[RateLimit]:
        """The limits per second, minute and day that are set."""
        return rate_limits(
            requests_per_second=self.requests_per_second,
            requests_per_minute=self.requests_per_minute,
            requests_per_day=self.requests_per_day,
            tokens_per_minute=self.tokens_per_minute,
        )

    def with_mode(self, mode: Mode) -> "RunConfig":
        """The same options in another mode. Raises: ConfigError."""
        return RunConfig(mode=mode).over(self)

    def over(self, base: "RunConfig | None") -> "RunConfig":
        """The options of `base`, except for those that were set here.

        >>> RunConfig(timeout_s=5).over(BatchConfig(timeout_s=9, max_reasks=3)).max_reasks
        3
        """
        explicit = self.model_fields_set & RunConfig.model_fields.keys()
        values = {
            name: getattr(self if base is None or name in explicit else base, name) for name in RunConfig.model_fields
        }
        inherited = set() if base is None else base.model_fields_set & RunConfig.model_fields.keys()
        return RunConfig.model_construct(_fields_set=explicit | inherited, **values)
