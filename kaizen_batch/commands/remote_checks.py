"""The checks of `doctor` that ask the endpoint: reachable, key, model, limits, clock."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from time import perf_counter
from typing import Any, NamedTuple

from kaizen_batch.agents import create_agent
from kaizen_batch.agents.foreign_errors import as_batch_error
from kaizen_batch.commands.checks import Check
from kaizen_batch.commands.settings import url_with_path
from kaizen_batch.config import BatchConfig
from kaizen_batch.errors import (
    AuthenticationError,
    KaizenBatchError,
    ModelNotFoundError,
    NoAnswerError,
    QuotaExhaustedError,
    ThrottledError,
    UnsupportedParameterError,
    did_you_mean,
)
from kaizen_batch.limits import read_rate_limit_headers
from kaizen_batch.limits.rate_limit_headers import DAY_S, MINUTE_S
from kaizen_batch.providers import Completion
from kaizen_batch.results.texts.numbers import counted, duration

_OPENAI = "https://api.openai.com/v1"
_ADAPTATIONS = 2  # temperature and max_tokens
_OFF_S = 30.0  # beyond it, certificates and signed requests begin to fail, and log lines mislead
_KINDS: dict[type[KaizenBatchError], str] = {
    AuthenticationError: "key",
    ModelNotFoundError: "model",
    QuotaExhaustedError: "account",
    NoAnswerError: "endpoint",
}


class _Listing(NamedTuple):
    """The answer to `GET /models`: the status (None: no answer), the models, the endpoint's time, seconds."""

    status: int | None
    models: list[str]
    date: str | None
    seconds: float
    cause: str = ""


async def check_endpoint(config: BatchConfig, *, call: bool) -> list[Check]:
    """All of them, each after those that it depends on."""
    listing = await _list_models(config)
    if listing.status is None:
        where = config.url or _OPENAI
        return [Check("endpoint", "fail", f"{where}: {listing.cause}", "check the address, the network and the proxy")]
    checks = [_reached(config, listing), *_accepted(listing), *_known(config.model, listing), _clock(listing)]
    if not call or any(check.state == "fail" for check in checks):
        return checks
    return [*checks, *await _ask(config)]


async def _list_models(config: BatchConfig) -> _Listing:
    # The SDK handles proxies, certificates and Azure as a run would; it is slow to import.
    import openai

    key = config.api_key.get_secret_value() if config.api_key else "none"
    began = perf_counter()
    async with openai.AsyncOpenAI(api_key=key, base_url=config.url, max_retries=0, timeout=10.0) as client:
        try:
            answer = await client.models.with_raw_response.list()
            models = [model.id for model in answer.parse().data or []]
            return _Listing(200, models, answer.headers.get("date"), perf_counter() - began)
        except openai.APIStatusError as error:
            headers = error.response.headers
            return _Listing(error.status_code, [], headers.get("date"), perf_counter() - began, error.message)
        except openai.APIConnectionError as error:
            return _Listing(None, [], None, 0.0, str(error.__cause__ or error))
        except (openai.APIError, ValueError, TypeError, AttributeError) as error:  # 200, and no list of models
            return _Listing(200, [], None, perf_counter() - began, str(error))


def _reached(config: BatchConfig, listing: _Listing) -> Check:
    where = config.url or _OPENAI
    if listing.status is not None and listing.status >= 500:
        return Check("endpoint", "fail", f"{where} answers {listing.status}", "wait until it has recovered")
    return Check("endpoint", "ok", f"{where} answered in {duration(listing.seconds)}")


def _accepted(listing: _Listing) -> list[Check]:
    if listing.status in (401, 403):
        return [Check("key", "fail", f"refused with {listing.status}", "set OPENAI_API_KEY to a key of this endpoint")]
    return []


def _known(model: str, listing: _Listing) -> list[Check]:
    if not listing.models:
        return []  # many servers have no list; the call will show
    if model in listing.models:
        return [Check("model", "ok", f"{model} is one of the {counted(len(listing.models), 'model')} of the endpoint")]
    hint = did_you_mean(model, listing.models) or f"it has {', '.join(sorted(listing.models)[:5])}, ..."
    return [Check("model", "warn", f"{model} is not in the endpoint's list", hint.strip())]


def _clock(listing: _Listing) -> Check:
    try:
        theirs = parsedate_to_datetime(listing.date or "")
    except ValueError:
        return Check("clock", "ok", "not compared: the endpoint sends no date")
    off_s = (datetime.now(UTC) - theirs.astimezone(UTC)).total_seconds()
    detail = f"{abs(off_s):.0f} s {'ahead of' if off_s > 0 else 'behind'} the endpoint's"
    if abs(off_s) > _OFF_S:
        return Check("clock", "warn", detail, "set this machine's clock, preferably by NTP")
    return Check("clock", "ok", f"within {max(1.0, abs(off_s)):.0f} s of the endpoint's")


async def _ask(config: BatchConfig) -> list[Check]:
    try:
        completion, seconds = await _one_call(config)
    except ThrottledError as error:
        return [
            Check("call", "warn", error.message, "the key is throttled already: lower --max-concurrent"),
            *_limits(error.headers),
        ]
    except Exception as error:
        ours = as_batch_error(error)
        if isinstance(ours, ModelNotFoundError) and (url := url_with_path(config.base_url)):
            return [Check("endpoint", "fail", ours.message, f"the base URL has no path: give --base-url {url}")]
        name = next((name for kind, name in _KINDS.items() if isinstance(ours, kind)), "call")
        return [Check(name, "fail", ours.message, "a run would fail in the same way")]
    answered = completion.model or config.model
    accepted = "; the key is accepted" if config.api_key is not None else " without a key"
    return [
        Check("call", "ok", f"{answered} answered in {duration(seconds)}{accepted}"),
        *_limits(completion.headers),
    ]


async def _one_call(config: BatchConfig) -> tuple[Completion, float]:
    agent = create_agent(config)
    request = agent.prepare("Say ok.")
    async with agent.session():
        for _ in range(_ADAPTATIONS):
            with suppress(
                UnsupportedParameterError
            ):  # the provider has learned what the model rejects, and leaves it out
                return await _timed(agent, request)
        return await _timed(agent, request)


async def _timed(agent: Any, request: object) -> tuple[Completion, float]:
    began = perf_counter()
    return await agent.complete(request), perf_counter() - began


def _limits(headers: Mapping[str, str]) -> list[Check]:
    found = read_rate_limit_headers(headers)
    if found is None:
        return [Check("limits", "ok", "the endpoint sends none; a run slows down when it is throttled")]
    shown = [
        f"{window.remaining if window.remaining is not None else '?'} of {window.limit or '?'} {quantity}"
        f"{_per(window.period_s)} left"
        for quantity, window in found.windows
    ]
    return [Check("limits", "ok", f"{', '.join(shown)} ({found.family} headers); a run respects them automatically")]


def _per(period_s: float) -> str:
    """A window's period, unless it is the usual minute."""
    return "" if period_s == MINUTE_S else " a day" if period_s == DAY_S else f" in {period_s:g} s"
