"""`kaizen-batch run`: a file in, a question for each row, a file out; given again, it goes on where it ended."""

import asyncio
import re
from typing import Any

import click

from kaizen_batch.commands.command import Command, in_flags, own_words, put_json, tell
from kaizen_batch.commands.dry_run import show_prompts
from kaizen_batch.commands.exit_codes import EXIT_CODES, Exit
from kaizen_batch.commands.options import job_options
from kaizen_batch.commands.rows import check_input
from kaizen_batch.commands.settings import again, agent_of, config_of, labels_of, template_of
from kaizen_batch.concurrency.sync import run_sync
from kaizen_batch.config import BatchConfig
from kaizen_batch.errors import BatchError, KaizenBatchError
from kaizen_batch.events import BatchFinished, Event, EventSink
from kaizen_batch.files.jobs import FileJob, JobResult, run_job
from kaizen_batch.files.names import STANDARD
from kaizen_batch.observers.progress import progress_sink
from kaizen_batch.observers.progress.figures import totals_of
from kaizen_batch.results import BatchSummary

_BEGINS_TO_STOP_S = 0.1
# The engine says it to programs; here it is said for the command line.
_HOW_TO_RESUME = re.compile(r"; [\d,]+ items of this run are done and saved: .*")
_FIRST = {
    "AuthenticationError": "with the right OPENAI_API_KEY, ",
    "BudgetExhaustedError": "with a higher --budget, ",
    "EndpointDownError": "when the endpoint is back, ",
    "ModelNotFoundError": "with the right --model and --base-url, ",
    "QuotaExhaustedError": "when the account is topped up, ",
}


@click.command("run", cls=Command, epilog=EXIT_CODES)
@job_options(output_required=True)
@click.option("--dry-run", is_flag=True, help="Show three questions and make no call; needs no key.")
@click.pass_context
def main(ctx: click.Context, /, dry_run: bool, **options: Any) -> None:
    """Ask a model a question about each row of INPUT, and write the rows with the answers to --output.

    \b
    Examples:
      kaizen-batch run tickets.csv --prompt "Classify: {text}" --output labels.csv --dry-run
      kaizen-batch run tickets.csv --prompt "Classify: {text}" --output labels.csv --schema labels.json --budget 5
      cat tickets.jsonl | kaizen-batch run - --prompt "Summarize: {text}" --output - > summaries.jsonl

    \b
    labels.json says what an answer must be, and makes a column of each property:
      {"type": "object", "properties": {"team": {"enum": ["billing", "tech"]}, "sure": {"type": "number"}}}

    INPUT is .csv, .tsv, .jsonl or .parquet, or - for standard input. Rows keep their columns and gain those of the
    answer. Rows that failed go to a file of their own (labels.failed.csv) with the reason, and can be fed in again.

    The same command again goes on where the last run ended: what was answered is in the journal, by default a file
    beside the output (labels.csv.journal.db), and is not paid twice. It holds the questions and answers in clear text.

    The key comes from OPENAI_API_KEY, and never from a flag. Every option can also come from the environment
    (--max-concurrent as KAIZEN_MAX_CONCURRENT) or from --config; flags win over the environment, and that over the
    file.
    """
    _check(options)
    template = template_of(options)
    if dry_run:
        show_prompts(options, template)
        return
    check_input(options, template)
    config = config_of(options, labels=labels_of(ctx))
    agent = agent_of(options, config)
    result = _Run(ctx, options, config).carry_out(_job(options, template), agent)
    if options["as_json"]:
        put_json(_as_dict(result))
    ctx.exit(_exit_code(result))


def _check(options: dict[str, Any]) -> None:
    if options["as_json"] and options["output"] == STANDARD:
        raise click.UsageError("--json and --output - both want standard output: give --output a file")


def _job(options: dict[str, Any], template: Any) -> FileJob:
    names = ("failed", "limit", "sample", "input_format", "output_format", "encoding")
    return FileJob(options["input"], options["output"], template=template, **{name: options[name] for name in names})


class _Run:
    """One run, and what is said about it: of its end, and of an interruption."""

    def __init__(self, ctx: click.Context, options: dict[str, Any], config: BatchConfig) -> None:
        self._ctx = ctx
        self._options = options
        self._config = config
        self._summary: BatchSummary | None = None

    def carry_out(self, job: FileJob, agent: Any) -> JobResult:
        """Run the job to its end. An interruption, or an item that fails it, ends the command."""
        try:
            with own_words(), progress_sink(self._options["progress"]) as progress:
                result = run_sync(lambda: self._until_done(job, agent, progress))
        except KeyboardInterrupt:
            self._say_how_to_go_on()
            self._ctx.exit(Exit.INTERRUPTED)
        except SystemExit as error:
            self._say_how_to_go_on()
            self._ctx.exit(error.code if isinstance(error.code, int) else Exit.FAILED)
        except KaizenBatchError as error:
            if self._summary is None or not self._summary.total:  # nothing was begun
                raise
            tell(f"Error: {in_flags(error.message)}")
            self._say_how_to_go_on()
            self._ctx.exit(Exit.SOME_FAILED if isinstance(error, BatchError) else Exit.FAILED)
        self._say_what_was_done(result)
        return result

    async def _until_done(self, job: FileJob, agent: Any, progress: EventSink) -> JobResult:
        def on_event(event: Event) -> None:
            if isinstance(event, BatchFinished):
                self._summary = event.summary
            progress(event)

        # In a task of its own: what Ctrl-C cancels is this one, which has something to say before it passes it on.
        running = asyncio.create_task(run_job(job, agent, self._config, on_event=on_event))
        try:
            await asyncio.wait({running})
        except asyncio.CancelledError:
            running.cancel()
            # By then it is over, or waits for its calls in flight: only now does a second Ctrl-C mean "at once".
            _, waiting = await asyncio.wait({running}, timeout=_BEGINS_TO_STOP_S)
            if waiting:
                tell(f"stopping: up to {self._config.grace_s:g} s for the calls in flight; Ctrl-C again: at once")
                await asyncio.wait({running})
            if not running.cancelled():
                running.exception()  # SIGTERM: it has been raised where the loop runs
            raise
        return running.result()

    def _say_how_to_go_on(self) -> None:
        journal, summary = self._config.journal, self._summary
        if journal is None:
            tell("stopped; there is no journal, so nothing is kept. To begin anew:")
        else:
            done = f"{summary.ok:,} rows are done and saved" if summary else "what is done is saved"
            tell(f"stopped; {done} in {journal}. To go on:")
        tell(f"  {again(self._ctx)}")

    def _say_what_was_done(self, result: JobResult) -> None:
        summary = result.summary
        if self._options["progress"] == "none":  # else the display has said it
            tell("; ".join(totals_of(summary)))
        if result.rows_failed and not result.rows_written:
            tell(f"wrote    no row to {_named(result.output)}: none was answered, and an older file stays as it was")
        else:
            tell(f"wrote    {result.rows_written:,} rows to {_named(result.output)}")
        if result.rows_failed:
            tell(f"failed   {result.rows_failed:,} rows to {result.failed_output}, with the reason of each")
        if summary.maybe_paid_twice:
            tell(f"twice?   {summary.maybe_paid_twice:,} calls may have been paid twice: their answers never came")
        if summary.stopped:
            tell(f"stopped  {in_flags(_HOW_TO_RESUME.sub('', summary.stopped))}")
        if (result.rows_failed or summary.stopped) and self._config.journal is not None:
            first = _FIRST.get((summary.stopped or "").partition(":")[0], "")
            tell(f"again    {first}what is missing, and nothing else, is asked by:\n  {again(self._ctx)}")


def _exit_code(result: JobResult) -> Exit:
    if result.summary.stopped:
        return Exit.STOPPED
    return Exit.SOME_FAILED if result.rows_failed else Exit.OK


def _as_dict(result: JobResult) -> dict[str, Any]:
    return {
        "rows_read": result.rows_read,
        "rows_written": result.rows_written,
        "rows_failed": result.rows_failed,
        "output": result.output,
        "failed_output": result.failed_output,
        "exit_code": int(_exit_code(result)),
        "summary": result.summary.to_dict(),
    }


def _named(output: str) -> str:
    return "standard output" if output == STANDARD else output
