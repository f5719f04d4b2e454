"""The command `kaizen-batch`; also `python -m kaizen_batch`."""

from importlib import import_module

import click

from kaizen_batch.commands.exit_codes import EXIT_CODES, write_exit_codes
from kaizen_batch.errors import did_you_mean
from kaizen_batch.results.texts.terminal import printable

_BATCHES = {
    "run": ("kaizen_batch.commands.run", "Ask a model about each row of a file; run again to resume."),
    "init": ("kaizen_batch.commands.init", "Write a commented run.toml and a schema draft for a file."),
    "estimate": ("kaizen_batch.commands.estimate", "Predict the tokens, cost and time of a run."),
    "doctor": ("kaizen_batch.commands.doctor", "Check your setup: key, endpoint, model, limits, disk."),
}
_JOURNALS = {
    "status": ("kaizen_batch.commands.status", "How far a run is, and what it has cost."),
    "cancel": ("kaizen_batch.commands.cancel", "Cancel the batches of a journal at their provider."),
    "watch": ("kaizen_batch.commands.watch", "The report of a run in the browser, live."),
    "report": ("kaizen_batch.commands.report", "Write a report of all runs as one HTML file."),
    "export": ("kaizen_batch.commands.export", "Every request and answer, as JSON Lines."),
    "merge": ("kaizen_batch.commands.merge", "Join the shards of a run folder, without a call."),
    "retry-failed": ("kaizen_batch.commands.retry_failed", "Repeat the last run: only missing rows are sent."),
}
_EXAMPLES = {
    "demo": (
        "kaizen_batch.workflows.demo",
        "20 items through a Kailash graph, and a comparison of concurrency.",
    ),
    "classify-documents": ("kaizen_batch.workflows.classify_documents", "Label each document of a CSV file."),
    "transform-records": ("kaizen_batch.workflows.transform_records", "Clean the records of a CSV file."),
    "rate-limited-api": (
        "kaizen_batch.workflows.rate_limited_api",
        "Call your own API, five calls at a time.",
    ),
    "simulator": ("kaizen_batch.simulator.__main__", "An OpenAI-compatible endpoint on 127.0.0.1."),
}
_PROGRAM = {"completion": ("kaizen_batch.commands.completion", "Print a shell completion script.")}
_SECTIONS = {"Batches": _BATCHES, "Journals": _JOURNALS, "Examples": _EXAMPLES, "This program": _PROGRAM}
_COMMANDS = {**_BATCHES, **_JOURNALS, **_EXAMPLES, **_PROGRAM}


class _Commands(click.Group):
    """Imports a command only when it runs, so that `--help` is fast and no extra is needed for the others."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        module, _ = _COMMANDS[name]
        return _import_command(module)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """click: resolve, with a suggestion for a misspelled command."""
        if args and args[0] not in _COMMANDS and not args[0].startswith("-"):
            hint = did_you_mean(args[0], _COMMANDS).strip() or f"known are {', '.join(_COMMANDS)}"
            raise click.UsageError(printable(f"there is no command {args[0]!r}: {hint}"), ctx)
        return super().resolve_command(ctx, args)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """click: the exit codes as a list."""
        write_exit_codes(formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, commands in _SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name, text) for name, (_, text) in commands.items()])


def _import_command(module: str) -> click.Command:
    command: click.Command = import_module(module).main
    return command


@click.group(cls=_Commands, invoke_without_command=True, epilog=EXIT_CODES, context_settings={"max_content_width": 100})
@click.option("--version", is_flag=True, help="Show the version and exit; with -v also what a bug report needs.")
@click.option("-v", "--verbose", is_flag=True, hidden=True)
@click.pass_context
def main(ctx: click.Context, version: bool, verbose: bool) -> None:
    """Process many items with a language model, or any async call, concurrently and within limits.

    \b
    kaizen-batch run tickets.csv --prompt "Classify: {text}" --output labels.csv --schema labels.json
    """
    if version:
        from kaizen_batch.commands.version import version_text

        click.echo(version_text(verbose=verbose))
        ctx.exit()
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
        ctx.exit()
