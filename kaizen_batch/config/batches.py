"""How a run uses batches of a provider, and by when it has to be done."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Literal, TypedDict

from pydantic import BaseModel, ConfigDict, Field, field_serializer, field_validator

from kaizen_batch.errors import ConfigError
from kaizen_batch.prices import Price, PriceOptions

Mode = Literal["live", "flex", "batch", "auto"]
"""How requests are asked."""

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_SPAN = re.compile(r"(?:\d+(?:\.\d+)?[smhd])+")
_PIECE = re.compile(r"(\d+(?:\.\d+)?)([smhd])")


class BatchLimitsOptions(TypedDict, total=False):
    """The options of LimitSettings, as a dict."""

    requests: int | None
    bytes: int | None
    enqueued_tokens: int | None
    url: str | None
    purpose: str | None
    window: str | None
    discount: float | None


class LimitSettings(BaseModel):
    """What a provider accepts, where its row in the table of known providers is missing or out of date.

    >>> LimitSettings(requests=100_000, discount=0.5).requests
    100000

    None: as the table says. `requests` and `bytes` of one file; `enqueued_tokens`: prompt tokens of all batches that
    are not over; `url`: the endpoint in each line; `purpose` of an uploaded file; `window`: the completion window;
    `discount`: what a request costs in a batch, as a share of the live price.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    requests: int | None = Field(default=None, ge=1)
    bytes: int | None = Field(default=None, ge=1)
    enqueued_tokens: int | None = Field(default=None, ge=1)
    url: str | None = Field(default=None, min_length=1)
    purpose: str | None = Field(default=None, min_length=1)
    window: str | None = Field(default=None, min_length=1)
    discount: float | None = Field(default=None, ge=0, allow_inf_nan=False)


class BatchSettingsOptions(TypedDict, total=False):
    """The options of BatchSettings, as a dict."""

    rows: int
    bytes: int | None
    enqueued_tokens: int | None
    live_first: int
    price: Price | PriceOptions | None
    limits: LimitSettings | BatchLimitsOptions | None
    model: str | None
    poll_s: float
    delete_files: bool


class BatchSettings(BaseModel):
    """How batches are cut, paid and polled.

    >>> BatchSettings(rows=10_000, enqueued_tokens=2_000_000).rows
    10000

    - `rows`: requests in one batch. Smaller ones give back sooner what is reserved for them.
    - `bytes`, `enqueued_tokens`: bytes of one file, prompt tokens of all batches that are not over. None: as the
      provider's limits say. With `rows`, they can only lower what the provider accepts.
    - `live_first`: rows that are asked live before the first batch, so that a refused parameter costs so many calls.
    - `price`: what a request costs in a batch, in USD per million tokens, where the price list does not say.
    - `limits`: LimitSettings, what the provider accepts, in place of what the table of known providers says.
    - `model`: the model's name in batches, where it differs, such as a deployment of Azure.
    - `poll_s`: seconds until the first look at a batch; later looks are up to twenty times as far apart.
    - `delete_files`: delete the files at the provider once their answers are in the journal.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    rows: int = Field(default=5_000, ge=1)
    bytes: int | None = Field(default=None, ge=1)
    enqueued_tokens: int | None = Field(default=None, ge=1)
    live_first: int = Field(default=10, ge=0)
    price: Price | None = None
    limits: LimitSettings | None = None
    model: str | None = Field(default=None, min_length=1)
    poll_s: float = Field(default=30.0, gt=0, allow_inf_nan=False)
    delete_files: bool = False

    @field_validator("price", mode="before")
    @classmethod
    def _a_price(cls, price: Any) -> Price | None:
        return None if price is None else Price.of(price)

    @field_serializer("price")
    def _price_as_dict(self, price: Price | None) -> dict[str, float | None] | None:
        return None if price is None else {"input": price.input, "output": price.output, "cached": price.cached}


def finish_at(when: str | float, now: float) -> float:
    """The Unix time that `finish_by` means, said at `now`.

    >>> finish_at("6h", now=1000.0)
    22600.0

    A span (`"90m"`, `"1d12h"`, a number of seconds), an ISO 8601 time, or a time of day (`"07:00"`, the next one);
    without an offset a time is local. Raises: ConfigError.
    """
    if isinstance(when, int | float):
        return now + when
    text = when.strip().lower()
    if _SPAN.fullmatch(text):
        return now + sum(float(number) * _UNITS[unit] for number, unit in _PIECE.findall(text))
    for read in (_time_of_day, _moment):
        found = read(when.strip(), now)
        if found is not None:
            return found
    raise ConfigError(
        f"finish_by is a span such as '6h' or a time such as '2026-12-01T07:00' or '07:00'; given: {when!r}"
    )


def _moment(text: str, now: float) -> float | None:
    return _unless_wrong(lambda: datetime.fromisoformat(text).timestamp())


def _time_of_day(text: str, now: float) -> float | None:
    if not re.fullmatch(r"\d{1,2}:\d{2}", text):
        return None
    hour, minute = map(int, text.split(":"))
    today = datetime.fromtimestamp(now, UTC).astimezone()
    at = _unless_wrong(lambda: today.replace(hour=hour, minute=minute, second=0, microsecond=0).timestamp())
    return at if at is None or at > now else at + timedelta(days=1).total_seconds()


def _unless_wrong(read: Callable[[], float]) -> float | None:
    try:
        return read()
    except ValueError:
        return None
