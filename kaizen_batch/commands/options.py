"""The options of `run` and `estimate`: what to ask, which model, how fast, for how much."""

from collections.abc import Callable
from pathlib import Path

import click

from kaizen_batch.commands.command import F, config_option, json_option
from kaizen_batch.commands.config_file import names_of
from kaizen_batch.commands.file_options import FILE_OPTIONS, INPUT
from kaizen_batch.commands.parameters import OrNone
from kaizen_batch.files.names import STANDARD

_PATH = click.Path(path_type=Path, dir_okay=False)

# `run` and `estimate` can share a config file.
_NOT_IN_BOTH = (
    *("canary", "offline", "dry_run", "overwrite", "yes"),
    *("shard", "shards", "run_folder", "executor", "ray_address", "workers"),
)


# The order is that of the help text.
_ASKING = (
    INPUT,
    click.option("--prompt", metavar="TEXT", help='The prompt, with columns in braces: "Classify: {text}".'),
    click.option("--prompt-file", type=_PATH, metavar="FILE", help="Read the prompt from a file."),
    click.option("--system", metavar="TEXT", help="System prompt of every row, with columns in braces if you like."),
    click.option("--image", multiple=True, metavar="COLUMN", help="Column of images: paths, URLs or data. Repeatable."),
    click.option("--file", multiple=True, metavar="COLUMN", help="Column of PDFs, likewise. Repeatable."),
    click.option("--model-column", metavar="COLUMN", help="Column that names the model of each row; blank: --model."),
    click.option("--messages", metavar="COLUMN", help="Column of whole conversations, in place of --prompt."),
    click.option(
        "--schema",
        type=_PATH,
        metavar="FILE",
        help="JSON schema of the answer (an object with properties); without it, one text column: result.",
    ),
)
_MODEL = (
    click.option("--model", default="gpt-4o-mini", show_default=True, help="Model to ask."),
    click.option(
        "--provider",
        default="openai",
        show_default=True,
        help="openai (any compatible endpoint), mock (in process, free), or package.module:Name.",
    ),
    click.option(
        "--base-url",
        multiple=True,
        metavar="URL",
        help="Endpoint, including /v1.  [default: OPENAI_BASE_URL, OpenAI]  Repeat it for several that serve the same "
        'model; {"url": ..., "weight": 2, "requests_per_minute": ...} gives one its own limits.',
    ),
    click.option(
        "--endpoint-name",
        metavar="NAME",
        help="What the journal calls the endpoint; several need one.  [default: the base URL]",
    ),
    click.option(
        "--temperature",
        type=OrNone(click.FloatRange(0, 2)),
        metavar="T",
        help="0 to 2, or none: leave it to the endpoint.  [default: 0.1, if the model takes it]",
    ),
    click.option(
        "--max-tokens",
        type=OrNone(click.IntRange(1)),
        metavar="N",
        help="Maximum tokens per answer, or none.  [default: the model's own limit; with --budget 2000]",
    ),
    click.option(
        "--param",
        "--parameters",
        "param",
        multiple=True,
        metavar="NAME=VALUE",
        help="Any other field of the request: reasoning_effort=low, seed=7, service_tier=flex. Repeatable.",
    ),
    click.option(
        "--header",
        "--headers",
        "header",
        multiple=True,
        metavar="NAME=VALUE",
        help="Further header; the value names an environment variable: 'X-Key=${MY_KEY}'. Repeatable.",
    ),
    click.option(
        "--fallback",
        multiple=True,
        metavar="MODEL",
        help='Model for rows that the first one cannot answer, or {"model": ..., "base_url": ...}. Repeatable.',
    ),
)
_ANSWERS = (
    click.option(
        "--structured",
        type=click.Choice(["auto", "strict", "json_object", "prompt"]),
        default="auto",
        show_default=True,
        help="How --schema is sent; auto learns what the endpoint takes.",
    ),
    click.option(
        "--on-truncated",
        type=click.Choice(["keep", "fail"]),
        default="keep",
        show_default=True,
        help="A text cut off by --max-tokens: keep it and count it, or fail the row.",
    ),
    click.option(
        "--on-empty",
        type=click.Choice(["fail", "keep"]),
        default="fail",
        show_default=True,
        help="An answer without text: fail the row, or keep it.",
    ),
)
_LIMITS = (
    click.option("--max-concurrent", type=click.IntRange(1), default=10, show_default=True, help="Concurrent calls."),
    click.option("--adaptive", is_flag=True, help="Find the best concurrency automatically, up to --max-concurrent."),
    click.option("--rpm", type=click.IntRange(1), metavar="N", help="Maximum requests per minute."),
    click.option("--tpm", type=click.IntRange(1), metavar="N", help="Maximum tokens per minute."),
    click.option("--rps", type=click.IntRange(1), metavar="N", help="Maximum requests per second."),
    click.option("--rpd", type=click.IntRange(1), metavar="N", help="Maximum requests per day."),
    click.option(
        "--pacing",
        type=click.Choice(["auto", "burst", "even"]),
        help="Spread requests evenly over the minute, let them come in bursts, or find out (auto).",
    ),
    click.option(
        "--budget",
        type=click.FloatRange(0, min_open=True),
        metavar="USD",
        help="Never spend more, including earlier runs on the same journal.",
    ),
    click.option(
        "--price",
        type=click.FloatRange(0),
        nargs=2,
        metavar="IN OUT",
        help="USD per million tokens, for a model that the price list does not know.",
    ),
    click.option(
        "--timeout",
        type=click.FloatRange(0, min_open=True),
        default=120.0,
        show_default=True,
        metavar="S",
        help="Seconds for one call.",
    ),
    click.option("--deadline", type=click.FloatRange(0, min_open=True), metavar="S", help="Seconds for the whole run."),
    click.option(
        "--grace",
        type=click.FloatRange(0),
        default=10.0,
        show_default=True,
        metavar="S",
        help="Seconds for in-flight calls to finish after Ctrl-C or the deadline.",
    ),
    click.option(
        "--wait-for-endpoint",
        type=click.FloatRange(0),
        default=8.0,
        show_default=True,
        metavar="S",
        help="Seconds to wait for an endpoint that has never accepted a connection.",
    ),
    click.option(
        "--hedge-after",
        type=click.FloatRange(0, 1, min_open=True, max_open=True),
        metavar="SHARE",
        help="0.95: send a second request when a call is slower than 95% of the others.",
    ),
    click.option(
        "--on-error",
        type=click.Choice(["collect", "raise"]),
        default="collect",
        show_default=True,
        help="collect: write failed rows to --failed; raise: end the run at the first one.",
    ),
)
_MODE = (
    click.option(
        "--mode",
        type=click.Choice(["live", "flex", "batch", "auto"]),
        default="live",
        show_default=True,
        help="batch: half the price, within a day. auto: the cheapest that is done by --finish-by.",
    ),
    click.option(
        "--finish-by",
        metavar="TIME",
        help="6h, 90m, 07:00, 2026-12-01T07:00: what batches have not answered in time is asked live.",
    ),
    click.option("--detach", is_flag=True, help="Leave batches running; the same command collects the answers."),
    click.option("--batch-rows", type=click.IntRange(1), metavar="N", help="Rows of one batch.  [default: 5000]"),
    click.option(
        "--batch-price",
        type=click.FloatRange(0),
        nargs=2,
        metavar="IN OUT",
        help="USD per million tokens in batches, where the price list does not say.",
    ),
    click.option(
        "--batch-poll",
        type=click.FloatRange(0, min_open=True),
        metavar="S",
        help="Seconds until the first look at a batch; later ones are further apart.  [default: 30]",
    ),
)
_JOURNAL = (
    click.option(
        "--journal",
        type=_PATH,
        metavar="FILE",
        help="File that records every call and answer.  [default: OUTPUT.journal.db]",
    ),
    click.option("--no-journal", is_flag=True, help="Record nothing: an interrupted run starts from the beginning."),
    click.option(
        "--accept-loss",
        is_flag=True,
        help="Continue with an incomplete journal. Missing answers are requested, and possibly billed, again.",
    ),
)
_DISPLAY = (
    click.option(
        "--progress",
        type=click.Choice(["auto", "bar", "lines", "none"]),
        default="auto",
        show_default=True,
        help="How to show progress, on standard error.",
    ),
    config_option(also=_NOT_IN_BOTH),
    json_option,
)


def job_options(*, output_required: bool) -> Callable[[F], F]:
    """All options that define a run; its parameters have the names of the flags."""
    output = click.option(
        "--output",
        required=output_required,
        metavar="FILE",
        help=f"File for answered rows: .csv .jsonl .parquet .xlsx .json .tsv .arrow; {STANDARD} is standard output.",
    )
    groups = (*_ASKING, output, *FILE_OPTIONS, *_MODEL, *_ANSWERS, *_LIMITS, *_MODE, *_JOURNAL, *_DISPLAY)

    def add(command: F) -> F:
        for option in reversed(groups):
            command = option(command)
        return command

    return add


def job_keys() -> tuple[str, ...]:
    """The keys that a config file of `run` or `estimate` may have."""
    probe = click.command("probe")(job_options(output_required=False)(lambda **_: None))
    return (*names_of(probe.params), *_NOT_IN_BOTH)
