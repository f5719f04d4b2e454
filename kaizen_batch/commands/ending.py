"""What `run` says at its end: the summary, the files, and the one command that comes next."""

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import click

from kaizen_batch.commands.settings import again, url_with_path
from kaizen_batch.commands.shard_options import folder_of
from kaizen_batch.config import BatchConfig
from kaizen_batch.errors import JournalError
from kaizen_batch.events import BatchProgress, Event, ItemFinished
from kaizen_batch.files.jobs import JobResult
from kaizen_batch.files.names import STANDARD, stem_of
from kaizen_batch.journal import Journal
from kaizen_batch.results import BatchSummary
from kaizen_batch.results.texts.advice import advice_on, why_stopped
from kaizen_batch.results.texts.numbers import count, counted, duration
from kaizen_batch.results.texts.summary import Ending, Line, retry_helps, sentences
from kaizen_batch.results.texts.waits import Waits

_FIRST_LIMIT = 1_000
_SLOW_S = 5.0
_FAILED = "StoppedError: by an error"
_NOT_FOUND = {"ModelNotFoundError", "model_not_found", "not_found"}

EndedBy = Literal["Ctrl-C", "signal", "error"]
_STOPPED_BY = {"Ctrl-C": "KeyboardInterrupt: ", "signal": "SystemExit: "}


class RunEnding:
    """The end of one run of a command; `run_folder` is that of a run that is a shard."""

    def __init__(self, ctx: click.Context, config: BatchConfig, run_folder: str | None = None) -> None:
        self.waits: Waits = Waits()
        self._run_folder = run_folder
        self._ctx = ctx
        self._config = config
        self._slowest_s = 0.0
        self.in_flight: int | None = None
        self._examples: dict[str, str] = {}

    def add(self, event: Event) -> None:
        """Take note of what the run waited for, of its slowest call, and of the first error of each code."""
        if isinstance(event, BatchProgress):
            self.waits.add(event.elapsed_s, event.waiting_for)
            self._slowest_s = event.oldest_call_s or self._slowest_s
            self.in_flight = event.in_flight
        elif isinstance(event, ItemFinished) and event.result.error is not None:
            self._examples.setdefault(event.result.error.code, event.result.error.message)

    def lines(self, result: JobResult, summary: BatchSummary, *, early: EndedBy | None = None) -> list[Line]:
        """The whole end, most important first; `early` says what ended the run from outside."""
        figures = summary.to_dict()
        if early in _STOPPED_BY:
            figures["stopped"] = _STOPPED_BY[early]
        lines = sentences(figures, self._facts())
        if early == "error":
            figures["stopped"] = _FAILED
        return [
            *lines,
            *self._slow(figures),
            *written_lines(result),
            *self._saved(figures),
            *self._next(result, summary, figures),
        ]

    def collect(self) -> list[Line]:
        """How to come back for the answers of batches."""
        return [Line("next", "to collect the answers, run the same command again:"), self._command()]

    def _command(self) -> Line:
        return Line("", again(self._ctx), "command")

    def texts(self, lines: list[Line]) -> list[str]:
        """The same as texts, for `--json`."""
        return [f"{line.label}: {line.text}" if line.label else line.text for line in lines]

    def _facts(self) -> Ending:
        totals, runs = None, 1
        if self._config.journal is not None:
            try:
                with Journal(self._config.journal) as journal:
                    totals, runs = journal.totals(), len(journal.runs())
            except JournalError:
                pass  # what broke it has been said
        return Ending("row", totals, runs, self.waits.longest(), messages=True, examples=self._examples)

    def _slow(self, figures: dict[str, Any]) -> Iterator[Line]:
        """After an interruption: the option that would have ended the calls that were waited for."""
        if figures["stopped"] and figures["unanswered"] and self._slowest_s >= _SLOW_S and self._config.timeout_s:
            waited, limit = duration(self._slowest_s), f"{self._config.timeout_s:g}"
            yield Line("slow", f"a call had no answer after {waited}: lower --timeout (now {limit}) to give up sooner")

    def _saved(self, figures: dict[str, Any]) -> Iterator[Line]:
        if figures["stopped"] and figures["ok"] and self._kept_in is not None:
            yield Line("saved", f"all answers so far, in {self._kept_in}")

    @property
    def _kept_in(self) -> object:
        """Where the answers are: the journal, or the run folder of an executor; None for nowhere."""
        if self._ctx.params.get("executor"):
            return folder_of(self._ctx.params).name
        return self._config.journal

    def _next(self, result: JobResult, summary: BatchSummary, figures: dict[str, object]) -> Iterator[Line]:
        step = self._step(result, summary, figures)
        if step is not None:
            why, command = step
            yield Line("next", f"{why}:")
            yield Line("", command, "command")

    def _step(self, result: JobResult, summary: BatchSummary, figures: dict[str, Any]) -> tuple[str, str] | None:
        if (url := url_with_path(self._config.base_url)) and _NOT_FOUND & _codes(figures):
            return "the base URL has no path; with /v1, run", again(self._ctx, base_url=url)
        if figures["stopped"]:
            return self._after_stop(summary, figures["stopped"])
        if summary.waiting:
            return "to collect the answers of the batches, run", again(self._ctx)
        if self._run_folder is not None:
            joining = shlex.join(["kaizen-batch", "merge", self._run_folder])
            return "to join the shards when all are done, run", joining
        if summary.failures:
            return self._after_failures(result, summary)
        if summary.truncated:
            limit = self._more_tokens()
            rows = counted(summary.total, "row")
            return f"to send all {rows} again with room for longer answers, run", again(self._ctx, max_tokens=limit)
        return None

    def _after_stop(self, summary: BatchSummary, stopped: str) -> tuple[str, str]:
        advice, _ = why_stopped(stopped)
        if self._kept_in is None:
            return "there is no journal, so nothing was recorded; to start again, run", again(self._ctx)
        if stopped.startswith("BudgetExhaustedError"):
            text = "to process only the missing rows, raise the budget"
            if self._ctx.params.get("max_tokens") is None:
                text += " (or give a lower --max-tokens: each call reserves the cost of its longest answer)"
            return text, again(self._ctx, budget=self._budget(summary))
        first = "" if stopped in (*_STOPPED_BY.values(), _FAILED) else f"{advice.fix}; then "
        return f"{first}to process only the missing rows, run", again(self._ctx)

    def _after_failures(self, result: JobResult, summary: BatchSummary) -> tuple[str, str] | None:
        if retry_helps(summary.to_dict()):
            where = "only the failed rows" if self._kept_in else "all rows again: there is no journal"
            return f"to process {where}, run", again(self._ctx)
        if result.failed_output is None or result.output == STANDARD:
            return None
        code = max(summary.failures, key=lambda each: summary.failures[each])
        changes = {"max_tokens": self._more_tokens()} if code == "length" else {}
        output = self._ctx.params["output"]
        stem = stem_of(output)
        other = f"{stem}.more{output[len(stem) :]}"
        command = again(self._ctx, input=result.failed_output, output=other, **changes)
        advice = advice_on(code).fix
        fix = "To process the failed rows, run" if changes else f"{advice[:1].upper()}{advice[1:]}, then run"
        return f"Retrying unchanged would fail again. {fix}", command

    def _more_tokens(self) -> int:
        return 4 * self._config.max_tokens if self._config.max_tokens else _FIRST_LIMIT

    def _budget(self, summary: BatchSummary) -> str:
        """A budget that covers the rest at the price so far, with a fifth to spare."""
        budget = self._config.budget_usd or 0.0
        facts = self._facts()
        spent = facts.job.spent_usd if facts.job is not None else summary.cost_usd or 0.0
        # What is left of this budget did not cover one call: as much must be left at the end of the next one, too.
        wanted = 1.2 * spent * summary.total / summary.ok + budget if summary.ok else 0.0
        return f"{max(2 * budget, wanted):.2g}"


def _codes(figures: dict[str, Any]) -> set[str]:
    stopped = str(figures["stopped"] or "").partition(":")[0]
    return {*figures["failures"], *([stopped] if stopped else [])}


def written_lines(result: JobResult) -> Iterator[Line]:
    where = "standard output" if result.output == STANDARD else result.output
    if result.rows_written:
        why = "" if result.complete or result.output == STANDARD else ": the rows answered so far"
        yield Line("wrote", f"{counted(result.rows_written, 'row')} to {where}{why}")
    elif result.rows_failed:
        older = f"; the older {where} stays" if Path(where).is_file() else ""
        yield Line("wrote", f"no answered row{older}")
    else:
        yield Line("wrote", "nothing: no row was answered yet" if not result.complete else f"0 rows to {where}")
    if result.rows_failed:
        yield Line(" ", f"{count(result.rows_failed)} to {result.failed_output}, each with its error")
