"""The page: facts in, one HTML document out, which needs no other file and loads none."""

import base64
import hashlib
from functools import lru_cache
from importlib.metadata import version
from importlib.resources import files
from typing import TYPE_CHECKING

from kaizen_batch.errors import ConfigError
from kaizen_batch.report import texts
from kaizen_batch.report.facts import Facts, Status
from kaizen_batch.report.plots import plots
from kaizen_batch.results.texts import numbers

if TYPE_CHECKING:
    from jinja2 import Template

_STATUS: dict[Status, str] = {
    "empty": "no run yet",
    "running": "running",
    "finished": "finished",
    "stopped": "stopped early",
    "killed": "no sign of life",
}


def render(facts: Facts, *, live: bool = False) -> str:
    """The document; a live one asks its server for the next state every second.

    The template engine escapes every text of a row, a model or a configuration. If that ever failed, the document's own
    Content-Security-Policy allows only our script, by its hash, and loads nothing.
    Raises: ConfigError without the extra.
    """
    style, script = _read("uPlot.min.css") + _read("style.css"), _script(live=live)
    return _template().render(
        facts=facts,
        last=facts.last,
        status=facts.last.status if facts.last else "empty",
        head=texts.shared_head(_prompts(facts)),
        plots=plots(facts),
        policy=_policy(style, script, live=live),
        style=style,
        script=script,
        live=live,
        version=version("kaizen-batch"),
    )


def _prompts(facts: Facts) -> list[str]:
    shown = [*facts.details.answers, *facts.details.slowest]
    return [texts.asked(entry) for entry in shown]


@lru_cache(1)
def _template() -> "Template":
    try:
        from jinja2 import Environment, StrictUndefined
    except ModuleNotFoundError:
        raise ConfigError("the report needs its extra: pip install 'kaizen-batch[report]'") from None
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(counted=numbers.counted)
    functions = (
        numbers.count,
        numbers.rate,
        numbers.usd,
        numbers.at_least,
        numbers.percent,
        numbers.duration,
        numbers.moment,
    )
    environment.filters.update({function.__name__: function for function in functions})
    environment.globals.update(passage=texts.passage, asked=texts.asked, answered=texts.answered, named=_STATUS)
    environment.filters.update(options=options, digest=_digest)
    return environment.from_string(_read("page.html"))


def options(config: dict[str, object]) -> list[tuple[str, str]]:
    """The options of a run that have a value, as texts; labels are shown elsewhere, keys never."""
    hidden = ("labels", "api_key")
    return [(name, _option(value)) for name, value in config.items() if _says_something(value) and name not in hidden]


def _says_something(value: object) -> bool:
    return value is not None and value is not False and value not in ("", [], {})


def _option(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}={_option(each)}" for name, each in value.items() if _says_something(each))
    if isinstance(value, list):
        return ", ".join(map(_option, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _digest(text: str) -> str:
    """Identifies a text on the page, so that it stays open when the page is refreshed."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def _script(*, live: bool) -> str:
    # uPlot 1.6.32 as published on npm: 51 kB, drawn on canvases, and compatible with the strictest policy. Its license
    # must be part of every copy, and this page is one.
    parts = [f"/*\n{_read('uPlot.LICENSE')}*/\n", _read("uPlot.iife.min.js"), _read("page.js")]
    return "".join([*parts, _read("live.js")] if live else parts)


def _policy(style: str, script: str, *, live: bool) -> str:
    rules = [
        "default-src 'none'",
        f"script-src {_hash(script)}",
        f"style-src {_hash(style)}",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    return "; ".join([*rules, "connect-src 'self'"] if live else rules)


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@lru_cache
def _read(name: str) -> str:
    return files("kaizen_batch.report").joinpath("page", name).read_text(encoding="utf-8")
