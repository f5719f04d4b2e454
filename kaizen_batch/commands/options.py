"""The options of `run` and `estimate`: what to ask, of whom, how fast, for how much."""

from collections.abc import Callable
from pathlib import Path

import click

from kaizen_batch.commands.command import F, config_option, json_option
from kaizen_batch.commands.config_file import names_of
from kaizen_batch.files.names import FORMATS, STANDARD

_PATH = click.Path(path_type=Path, dir_okay=False)
_FORMATS = click.Choice(FORMATS)

_NOT_IN_BOTH = ("canary", "offline", "dry_run")  # `run` and `estimate` can share a config file

# The order is that of the help text.
_ASKING = (
    click.argument("input", metavar="INPUT"),
    click.option("--prompt", metavar="TEXT", help='The question, with columns in braces: "Classify: {text}".'),
    click.option("--prompt-file", type=_PATH, metavar="FILE", help="The same, from a file."),
    click.option("--system", metavar="TEXT", help="System prompt, sent along with every question."),
    click.option(
        "--schema",
        type=_PATH,
        metavar="FILE",
        help="JSON schema of the outputs (an object with properties); without it, one text: result.",
    ),
)
_FILES = (
    click.option("--failed", metavar="FILE", help="Where rows that failed go.  [default: OUTPUT's name with .failed]"),
    click.option("--input-format", type=_FORMATS, help="If the name does not tell it."),
    click.option("--output-format", type=_FORMATS, help="If the name does not tell it."),
    click.option("--encoding", metavar="NAME", help="Of the input, if it is not UTF-8: latin-1, cp1252, ..."),
    click.option("--limit", type=click.IntRange(1), metavar="N", help="Only the first N rows."),
    click.option("--sample", type=click.IntRange(1), metavar="N", help="Only N rows, drawn from all over the input."),
)
_MODEL = (
    click.option("--model", default="gpt-4o-mini", show_default=True, help="Model to ask."),
    click.option(
        "--provider",
        default="openai",
        show_default=True,
        help="openai (any compatible endpoint), mock (in process, for nothing), or package.module:Name.",
    ),
    click.option("--base-url", metavar="URL", help="Endpoint, up to and with /v1.  [default: OPENAI_BASE_URL, OpenAI]"),
    click.option("--temperature", type=click.FloatRange(0, 2), default=0.1, show_default=True, help="0 to 2."),
    click.option(
        "--max-tokens", type=click.IntRange(1), default=200, show_default=True, help="Tokens of an answer, at most."
    ),
    click.option(
        "--fallback",
        multiple=True,
        metavar="MODEL",
        help='Who answers what the first cannot: a model, or {"model": ..., "base_url": ...}. Repeatable.',
    ),
)
_LIMITS = (
    click.option("--max-concurrent", type=click.IntRange(1), default=10, show_default=True, help="Calls at once."),
    click.option("--adaptive", is_flag=True, help="Find out how many at once the endpoint bears, up to that."),
    click.option("--rpm", type=click.IntRange(1), metavar="N", help="Requests a minute, at most."),
    click.option("--tpm", type=click.IntRange(1), metavar="N", help="Tokens a minute, at most."),
    click.option(
        "--budget",
        type=click.FloatRange(0, min_open=True),
        metavar="USD",
        help="Never spend more, earlier runs on the journal included.",
    ),
    click.option(
        "--price",
        type=click.FloatRange(0),
        nargs=2,
        metavar="IN OUT",
        help="USD for a million tokens, where the price list does not know the model.",
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
        help="Seconds that calls in flight have left after Ctrl-C or the deadline.",
    ),
    click.option(
        "--hedge-after",
        type=click.FloatRange(0, 1, min_open=True, max_open=True),
        metavar="SHARE",
        help="0.95: ask a second time what takes longer than 95% of the calls.",
    ),
    click.option(
        "--on-error",
        type=click.Choice(["collect", "raise"]),
        default="collect",
        show_default=True,
        help="collect: a failed row is put apart; raise: the first one ends the run.",
    ),
)
_JOURNAL = (
    click.option(
        "--journal",
        type=_PATH,
        metavar="FILE",
        help="File that keeps what is answered and paid.  [default: OUTPUT.journal.db]",
    ),
    click.option("--no-journal", is_flag=True, help="Keep nothing: a run that is interrupted begins anew."),
)
_TALK = (
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
    """All that says what a run asks; its parameters' names are those of the flags."""
    output = click.option(
        "--output",
        required=output_required,
        metavar="FILE",
        help=f"Where answered rows go: .csv .tsv .jsonl .parquet, also .gz; {STANDARD} is standard output.",
    )
    groups = (*_ASKING, output, *_FILES, *_MODEL, *_LIMITS, *_JOURNAL, *_TALK)

    def add(command: F) -> F:
        for option in reversed(groups):
            command = option(command)
        return command

    return add


def job_keys() -> tuple[str, ...]:
    """The keys that a config file of `run` or `estimate` may have."""
    probe = click.command("probe")(job_options(output_required=False)(lambda **_: None))
    return (*names_of(probe.params), *_NOT_IN_BOTH)
