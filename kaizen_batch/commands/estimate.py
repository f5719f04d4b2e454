"""`kaizen-batch estimate`: predict the tokens, cost and time of a run."""

import random
from itertools import islice
from typing import Any

import click

from kaizen_batch.agents import prepared
from kaizen_batch.commands.command import Command, in_flags, put_json, show_lines, without_log_line
from kaizen_batch.commands.exit_codes import Exit
from kaizen_batch.commands.forecast import Call, Forecast, Sizes, Terms, from_canary, offline
from kaizen_batch.commands.forecast_text import lines_of
from kaizen_batch.commands.mode_costs import ModeCost, as_dicts, mode_costs, mode_lines
from kaizen_batch.commands.options import job_options
from kaizen_batch.commands.reuse import saved_keys
from kaizen_batch.commands.row_limits import RowLimits
from kaizen_batch.commands.rows import records_of
from kaizen_batch.commands.settings import WITHOUT_CALLS, Options, agent_of, config_of, template_of
from kaizen_batch.commands.simulated_run import Pace
from kaizen_batch.concurrency.sync import run_sync
from kaizen_batch.config import BatchConfig
from kaizen_batch.errors import ConfigError, InputError
from kaizen_batch.files.row_agent import RowAgent
from kaizen_batch.journal.canonical import key_of
from kaizen_batch.results import BatchResult, BatchSummary
from kaizen_batch.results.texts.advice import why_stopped
from kaizen_batch.results.texts.numbers import usd
from kaizen_batch.results.texts.summary import Line
from kaizen_batch.strategies import ParallelBatchStrategy

_UNBOUNDED = "{:,} rows have documents, or images behind URLs, whose tokens cannot be estimated"
_SEED = 0  # the same rows each time: with a journal they are answered already
_LONGEST_S = 120.0  # an endpoint that refuses everything must not hold the estimate up
_ENDS = ("DeadlineError", "ThrottledError")  # after which what is known is reported
_MOST_OUTPUT = 16_384  # tokens of an answer where nothing bounds it: the limit of gpt-4o-mini


@click.command("estimate", cls=Command)
@job_options(output_required=False)
@click.option(
    "--canary", default=10, type=click.IntRange(1, 1000), show_default=True, help="Rows to send for the estimate."
)
@click.option("--offline", "is_offline", is_flag=True, help="Make no call: estimate from sizes and the price list.")
def main(canary: int, is_offline: bool, **options: Any) -> None:
    """Predict the tokens, cost and time of a run as intervals, and warn of what cannot work.

    \b
    Examples:
      kaizen-batch estimate tickets.csv --prompt "Classify: {text}" --output labels.csv
      kaizen-batch estimate tickets.csv --prompt "Classify: {text}" --offline

    It takes the options of `kaizen-batch run`. By default ten rows, sampled from the whole input, are really sent and
    billed; with --output or --journal their answers are recorded, and `run` does not send them again. --offline makes
    no call and needs no key; its figures are guesses, which --max-tokens narrows.
    """
    config = config_of(options, **(WITHOUT_CALLS if is_offline else {}))
    estimate = _Estimate(options, config)
    estimate.read(canary)
    forecast = estimate.offline() if is_offline else run_sync(estimate.ask)
    notes, warnings, modes = estimate.notes(), estimate.warnings(forecast), estimate.modes(forecast)
    if options["as_json"]:
        found = {**forecast.to_dict(), "modes": as_dicts(modes), "canary": estimate.spent()}
        put_json({**found, "notes": notes, "warnings": warnings})
    else:
        figures = [*lines_of(forecast, config.max_concurrent), *mode_lines(modes)]
        show_lines([*figures, *notes_as_lines(notes, warnings)], err=False)
    click.get_current_context().exit(Exit.OK)


def notes_as_lines(notes: list[str], warnings: list[str]) -> list[Line]:
    """The notes and warnings as lines of the output."""
    return [*(Line("note", note) for note in notes), *(Line("warning", warning, "warn") for warning in warnings)]


class _Estimate:
    """The rows of one input, their sizes, and the calls for a few of them."""

    def __init__(self, options: Options, config: BatchConfig) -> None:
        self._options = options
        self._config = config
        self._template = template_of(options)
        agent = agent_of(options, config)
        if not agent.from_model:
            raise ConfigError(f"{config.llm_provider!r} is a function: its cost cannot be predicted")
        self._agent = RowAgent(agent, self._template)
        self._limits = RowLimits(config, self._agent)
        self.sizes = Sizes()
        self._unbounded = 0
        self._answers = saved_keys(config)
        self._saved = 0
        self._chosen: list[dict[str, object]] = []
        self._batch: BatchResult | None = None
        self._answered = 0

    def read(self, canary: int) -> None:
        """Measure every row, and choose some at random in the same pass."""
        dice = random.Random(_SEED)
        with records_of(self._options, self._template) as records:
            for number, row in enumerate(islice(records, self._options["limit"]), start=1):
                if not self._measure(number, row):
                    continue
                # Reservoir sampling: each row is as likely to be among the chosen as any other.
                if len(self._chosen) < canary:
                    self._chosen.append(row)
                elif (place := dice.randrange(self.sizes.rows)) < canary:
                    self._chosen[place] = row
        self.sizes.only(self._options["sample"])

    def _measure(self, number: int, row: dict[str, object]) -> bool:
        try:
            request = prepared(self._agent, row)
            size, is_bound = self._agent.size(request, self._agent.body(request))
        except InputError:
            self.sizes.unusable += 1
            return False
        self._unbounded += not is_bound
        self.sizes.add(size)
        if self._answers:
            self._saved += key_of(self._agent.canonical(request)) in self._answers
        for reason in self._limits.exceeded(size):
            self.sizes.never_fit.setdefault(reason, []).append(number)
        return True

    def _bytes_of(self, row: dict[str, object]) -> int:
        request = prepared(self._agent, row)
        return self._agent.size(request, self._agent.body(request))[0]

    def offline(self) -> Forecast:
        """The forecast without a call."""
        return offline(self.sizes, self._most_output(), self._agent.price)

    async def ask(self) -> Forecast:
        """The forecast from the chosen rows, asked for real."""
        if not self._chosen:
            return self.offline()
        config = self._config
        deadline_s = min(config.deadline_s or _LONGEST_S, _LONGEST_S)
        options = config.with_options(on_error="collect", deadline_s=deadline_s, mode="live")
        strategy = ParallelBatchStrategy.from_config(options)
        with without_log_line():
            self._batch = batch = await strategy.run_batch(self._agent, self._chosen)
        answered = zip(self._chosen, batch.results, strict=True)
        calls = [self._call(row, result) for row, result in answered if result["usage"]]
        stopped = batch.summary.stopped
        if stopped and not stopped.startswith(_ENDS):
            advice, message = why_stopped(stopped)
            raise click.ClickException(in_flags(": ".join(filter(None, (advice.cause, message)))))
        if not calls:
            return self._unanswered(batch)
        self._answered = len(calls)
        pace = Pace(config.max_concurrent, config.rate_limits, config.pacing, config.rate_counts_from)
        return from_canary(self.sizes, calls, Terms(self._most_output(), self._agent.price, pace))

    def _unanswered(self, batch: BatchResult) -> Forecast:
        """What is known if no row was answered in time. Raises: ClickException if they failed."""
        if not batch.summary.throttles and not batch.summary.stopped:
            raise click.ClickException(in_flags(_why_no_calls(batch)))
        return self.offline()

    def modes(self, forecast: Forecast) -> list[ModeCost]:
        """The cost and time of each mode that the model has."""
        return mode_costs(forecast, self._agent, self._config)

    def _most_output(self) -> int:
        return self._config.max_tokens or _MOST_OUTPUT

    def _call(self, row: dict[str, object], result: dict[str, Any]) -> Call:
        usage = result["usage"]
        return Call(self._bytes_of(row), usage["input_tokens"], usage["output_tokens"], result["latency_s"])

    def spent(self) -> dict[str, object] | None:
        """What the sample took, or None without one."""
        if self._batch is None:
            return None
        summary = self._batch.summary
        return {"rows": summary.total, "failed": summary.failed, "calls": summary.calls, "cost_usd": summary.cost_usd}

    def notes(self) -> list[str]:
        """Which parts of the forecast are guesses, and where the rest comes from."""
        if not self._answered:
            notes = [
                f"a guess: 0.15 to 0.5 tokens per byte sent, and answers of 1 to {self._most_output():,} tokens",
                "the time cannot be estimated without an answer"
                + (": leave out --offline" if self._batch is None else ""),
            ]
        else:
            notes = [
                f"from {self._canary()}: 95% intervals, if these rows are like the rest",
                "your limits are included; retries, limits of the endpoint and a busier endpoint are not",
            ]
        if self._saved and not self._options["sample"]:
            notes.append(
                f"{self._saved:,} of these {self.sizes.rows:,} rows have their answer in {self._config.journal}: they "
                "are not sent again and cost nothing more"
            )
        where = "--price" if self._config.price else "the price list of genai-prices, for the standard tier"
        return [*notes, f"the price is from {where}"] if self._agent.price else notes

    def _canary(self) -> str:
        assert self._batch is not None
        summary, journal = self._batch.summary, self._config.journal
        kept = f", recorded in {journal}" if journal else ""
        return f"{summary.total} rows that were asked ({summary.calls} calls, {usd(summary.cost_usd)}{kept})"

    def warnings(self, forecast: Forecast) -> list[str]:
        """What cannot work, or may end the run early."""
        sizes, budget = self.sizes, self._config.budget_usd
        found = [f"{len(rows):,} rows {reason}: {_some(rows)}" for reason, rows in sizes.never_fit.items()]
        found += [_UNBOUNDED.format(self._unbounded)] * bool(self._unbounded)
        if sizes.unusable:
            found.append(f"{sizes.unusable:,} rows cannot be asked: a value that the prompt needs is missing")
        if self._agent.price is None:
            found.append(
                f"the price of {self._config.model} at {self._agent.endpoint} is unknown: give --price IN OUT, in USD"
                " per million tokens"
            )
        if budget is not None and forecast.cost_usd is not None and forecast.cost_usd.high > budget:
            rows = int(budget / forecast.cost_usd.high * forecast.rows)
            found.append(f"the budget of {usd(budget)} may end the run after some {rows:,} rows")
        if self._batch is not None:
            found += self._troubles(self._batch.summary)
        return found

    def _troubles(self, summary: BatchSummary) -> list[str]:
        """What went wrong with the rows that were asked."""
        found = []
        if summary.throttles or summary.stopped:
            found.append(
                f"{self._answered} of the {summary.total} rows were answered within {summary.elapsed_s:.0f} s; "
                f"the endpoint refused {summary.throttles:,} calls as too fast (HTTP 429)"
            )
        if summary.failed:
            failures = ", ".join(f"{code} {count}" for code, count in summary.failures.items())
            found.append(f"{summary.failed} of the {summary.total} rows failed: {failures}")
        return found


def _why_no_calls(batch: BatchResult) -> str:
    errors = [result["error"]["message"] for result in batch.results if result["error"]]
    if errors:
        return f"none of the {len(batch.results)} rows was answered; the first error: {errors[0]}"
    return "the endpoint does not report tokens: use --offline"


def _some(rows: list[int]) -> str:
    shown = ", ".join(f"{row:,}" for row in rows[:5])
    return f"row {shown}" + (", ..." if len(rows) > 5 else "")
