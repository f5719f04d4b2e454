"""`kaizen-batch run`: ask a model about each row of a file; given again, it resumes."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, NoReturn

import click

from kaizen_batch.commands.batch_input import take_model
from kaizen_batch.commands.capabilities import warnings_of
from kaizen_batch.commands.command import Command, in_flags, put_json, say, show_lines, without_log_line
from kaizen_batch.commands.dry_run import show_prompts
from kaizen_batch.commands.ending import EndedBy, RunEnding
from kaizen_batch.commands.exit_codes import EXIT_CODES, Exit
from kaizen_batch.commands.file_options import job_of
from kaizen_batch.commands.options import job_options
from kaizen_batch.commands.reuse import reuse_warning
from kaizen_batch.commands.rows import check_input
from kaizen_batch.commands.settings import (
    MAX_TOKENS_WITH_BUDGET,
    Options,
    agent_of,
    config_of,
    labels_of,
    template_of,
    url_with_path,
)
from kaizen_batch.commands.shard_options import (
    asked_shard,
    executed,
    merged_journal_of,
    open_shard_of,
    output_of_parts,
    shard_options,
)
from kaizen_batch.commands.waiting import Waiting, waiting_line
from kaizen_batch.concurrency.sync import run_sync
from kaizen_batch.config import BatchConfig
from kaizen_batch.errors import BatchError, KaizenBatchError, StoppedError
from kaizen_batch.events import BatchFinished, Event, EventSink
from kaizen_batch.files.jobs import JobResult, run_job
from kaizen_batch.files.names import STANDARD
from kaizen_batch.observers.progress import ProgressSink
from kaizen_batch.observers.progress.figures import Words
from kaizen_batch.observers.progress.sink import display_of
from kaizen_batch.results import BatchSummary
from kaizen_batch.results.texts.summary import Line

_STOP_STARTS_S = 0.1

_Work = Callable[..., Coroutine[Any, Any, JobResult]]
"""Runs a job, or a part of it; takes `on_event` and `on_end` as `run_job` does."""


@click.command("run", cls=Command, epilog=EXIT_CODES)
@job_options(output_required=True)
@click.option("--dry-run", is_flag=True, help="Show three prompts and make no call; needs no key.")
@shard_options
@click.option(
    "--overwrite",
    is_flag=True,
    help="Replace files that were edited or that no run in the journal wrote, and a longer output.",
)
@click.pass_context
def main(ctx: click.Context, /, dry_run: bool, overwrite: bool, **options: object) -> None:
    """Ask a model about each row of INPUT, and write the rows with the answers to --output.

    \b
    Examples:
      kaizen-batch run tickets.csv --prompt "Classify: {text}" --output labels.csv --dry-run
      kaizen-batch run tickets.csv --prompt "Classify: {text}" --output labels.csv --schema labels.json --budget 5
      cat tickets.jsonl | kaizen-batch run - --prompt "Summarize: {text}" --output - > summaries.jsonl

    \b
    labels.json defines the answer; each property becomes a column:
      {"type": "object", "properties": {
        "team": {"enum": ["billing", "tech"]},
        "sure": {"type": "number"}}}

    INPUT is .csv, .tsv, .jsonl or .parquet, or - for standard input. Rows keep their columns and gain those of the
    answer. Failed rows are written to a file of their own (labels.failed.csv), each with its error; it can be used as
    INPUT again.

    An interrupted run resumes where it stopped: run the same command again. Every call and answer is recorded in the
    journal, by default a file beside the output (labels.csv.journal.db), so no answer is paid for twice. The journal
    holds prompts and answers in clear text. labels.csv appears when every row was attempted; until then a run that
    ended early leaves the answered rows in labels.partial.csv.

    The key comes from OPENAI_API_KEY, never from a flag. Every option can also come from the environment
    (--max-concurrent as KAIZEN_MAX_CONCURRENT) or from --config; flags take precedence over the environment, the
    environment over the file.
    """
    _check(options)
    template = template_of(options)
    if dry_run:
        show_prompts(options, template)
        return
    check_input(options, template)
    shard = asked_shard(options)
    take_model(ctx, options)
    config = config_of(options, labels=labels_of(ctx))
    _notify(options, config)
    if options["executor"] is not None:
        work = executed(options, job_of(options, template, overwrite=overwrite), config)
        config = config.model_copy(update={"journal": merged_journal_of(options)})
        running = _Run(ctx, options, config)
    elif shard is None:
        agent = agent_of(options, config)
        if warning := reuse_warning(options, config, agent, template):
            show_lines([Line("warning", warning, "warn")])
        work = partial(run_job, job_of(options, template, overwrite=overwrite), agent, config)
        running = _Run(ctx, options, config)
    else:
        part, agent = open_shard_of(ctx, job_of(output_of_parts(options), template, overwrite=True), config, shard)
        if part.is_done:
            show_lines([Line("done", f"shard {shard.number} of {shard.count} is committed in {part.folder.name}")])
            ctx.exit(Exit.OK)
        config = config.model_copy(update={"journal": part.config.journal})
        work, running = partial(part.run, agent), _Run(ctx, options, config, part.folder.name)
    result, lines = running.execute(work)
    if options["as_json"]:
        put_json(_as_dict(result, lines))
    ctx.exit(_exit_code(result))


def _check(options: dict[str, object]) -> None:
    if options["as_json"] and options["output"] == STANDARD:
        raise click.UsageError("--json and --output - both want standard output: give --output a file")


def _notify(options: dict[str, object], config: BatchConfig) -> None:
    for warning in warnings_of(config, schema=options["schema"] is not None):
        show_lines([Line("warning", warning)])
    if url := url_with_path(config.base_url):
        text = f"the base URL {config.base_url} has no path, and most endpoints need one: give --base-url {url}"
        show_lines([Line("warning", text, "warn")])
    if options["budget"] and options["max_tokens"] is None:
        text = f"--max-tokens {MAX_TOKENS_WITH_BUDGET}, since --budget needs a bound for each answer"
        show_lines([Line("note", text)])


class _Run:
    """One run, and what is said about it at its end, however it ends."""

    def __init__(
        self, ctx: click.Context, options: Options, config: BatchConfig, run_folder: str | None = None
    ) -> None:
        self._ctx = ctx
        self._options = options
        self._config = config
        self._ending = RunEnding(ctx, config, run_folder)
        self._waiting = Waiting()
        self._summary: BatchSummary | None = None
        self._result: JobResult | None = None

    def execute(self, work: _Work) -> tuple[JobResult, list[str]]:
        """Do the work to its end. An interruption, or an item that fails it, ends the command."""
        try:
            display = display_of(self._options["progress"])
            with without_log_line(), ProgressSink(display, words=self._words(), totals=False) as progress:
                result = run_sync(lambda: self._until_done(work, progress))
        except (KeyboardInterrupt, SystemExit) as error:
            self._end_by_signal(error)
        except KaizenBatchError as error:
            if self._summary is None or not self._summary.total:  # nothing was begun
                if isinstance(error, StoppedError):
                    say(f"Error: {_named(error)}")
                    self._ctx.exit(Exit.STOPPED)
                raise
            say(f"Error: {_named(error)}")
            self._end_early(Exit.SOME_FAILED if isinstance(error, BatchError) else Exit.FAILED, "error")
        lines = self._lines_of(result)
        show_lines(lines)
        return result, self._ending.texts(lines)

    def _words(self) -> Words:
        seconds = self._config.timeout_s
        return Words("row", f" (--timeout {seconds:g} ends it)" if seconds else "")

    async def _until_done(self, work: _Work, progress: EventSink) -> JobResult:
        def on_event(event: Event) -> None:
            if isinstance(event, BatchFinished):
                self._summary = event.summary
            else:
                self._ending.add(event)
            self._waiting.see(event)
            progress(event)

        def on_end(result: JobResult) -> None:
            self._result = result

        # In a task of its own: Ctrl-C cancels this one, which has something to say before it passes that on.
        running = asyncio.create_task(work(on_event=on_event, on_end=on_end))
        try:
            await asyncio.wait({running})
        except asyncio.CancelledError:
            running.cancel()
            # By then it is over, or waits for its in-flight calls: only now does a second Ctrl-C mean "at once".
            _, waiting = await asyncio.wait({running}, timeout=_STOP_STARTS_S)
            # None: it ended before its first sample.
            if waiting and self._ending.in_flight != 0 and not self._waiting.is_open:
                say(f"stopping: waiting up to {self._config.grace_s:g} s for in-flight calls; Ctrl-C again to stop now")
            await asyncio.wait({running})
            if not running.cancelled():
                running.exception()  # SIGTERM: it has been raised where the loop runs
            raise
        return running.result()

    def _lines_of(self, result: JobResult) -> list[Line]:
        if result.summary.waiting and not result.rows_read:  # detached: nothing was written
            return [waiting_line(result.summary.waiting), *self._ending.collect()]
        return self._ending.lines(result, result.summary)

    def _end_by_signal(self, end: KeyboardInterrupt | SystemExit) -> NoReturn:
        """End what Ctrl-C or another signal has ended; batches are left to the provider."""
        if self._waiting.is_open:
            show_lines([*self._waiting.lines(), *self._ending.collect()])
            self._ctx.exit(Exit.WAITING)
        if isinstance(end, KeyboardInterrupt):
            self._end_early(Exit.INTERRUPTED, "Ctrl-C")
        self._end_early(end.code if isinstance(end.code, int) else Exit.FAILED, "signal")

    def _end_early(self, code: int, early: EndedBy) -> NoReturn:
        summary = self._summary or BatchSummary()
        result = self._result or JobResult(summary, 0, 0, 0, self._options["output"], None, complete=False)
        # What came too late to stop anything is not said.
        show_lines(self._ending.lines(result, summary, early=None if result.complete else early))
        self._ctx.exit(code)


def _named(error: KaizenBatchError) -> str:
    """The message, with the flags of the command line."""
    return in_flags(error.message)


def _exit_code(result: JobResult) -> Exit:
    if result.summary.stopped:
        return Exit.STOPPED
    if result.summary.waiting:
        return Exit.WAITING
    return Exit.SOME_FAILED if result.rows_failed else Exit.OK


def _as_dict(result: JobResult, lines: list[str]) -> dict[str, object]:
    return {
        "rows_read": result.rows_read,
        "rows_written": result.rows_written,
        "rows_failed": result.rows_failed,
        "complete": result.complete,
        "output": result.output,
        "failed_output": result.failed_output,
        "exit_code": int(_exit_code(result)),
        "sentences": lines,
        "summary": result.summary.to_dict(),
    }
