"""The command `kaizen-batch`; also `python -m kaizen_batch`."""

from importlib import import_module

import click

from kaizen_batch.commands.exit_codes import EXIT_CODES

_BATCHES = {
    "run": ("kaizen_batch.commands.run", "Ask about each row of a file; again, it goes on where it ended."),
    "estimate": ("kaizen_batch.commands.estimate", "What a run would take in tokens, money and time."),
    "doctor": ("kaizen_batch.commands.doctor", "Whether a run could work: key, endpoint, model, limits, disk."),
}
_JOURNALS = {
    "status": ("kaizen_batch.commands.status", "How far a run is, and what it has spent."),
    "watch": ("kaizen_batch.commands.watch", "The same in the browser, while it goes on."),
    "report": ("kaizen_batch.commands.report", "One HTML file of what happened."),
    "export": ("kaizen_batch.commands.export", "Every question and answer, as JSON Lines."),
    "retry-failed": ("kaizen_batch.commands.retry_failed", "The last run's command again: asks what is missing."),
}
_EXAMPLES = {
    "demo": (
        "kaizen_batch.workflows.demo",
        "20 items through a Kailash graph, and a comparison of concurrency.",
    ),
    "classify-documents": ("kaizen_batch.workflows.classify_documents", "Label each document of a CSV file."),
    "transform-records": ("kaizen_batch.workflows.transform_records", "Clean up the records of a CSV file."),
    "rate-limited-api": (
        "kaizen_batch.workflows.rate_limited_api",
        "Call an API of your own, five at a time.",
    ),
    "simulator": ("kaizen_batch.simulator.__main__", "An OpenAI-compatible endpoint on 127.0.0.1."),
}
_SECTIONS = {"Batches": _BATCHES, "Their journals": _JOURNALS, "To try and to copy": _EXAMPLES}
_COMMANDS = {**_BATCHES, **_JOURNALS, **_EXAMPLES}


class _Commands(click.Group):
    """Imports a command when it is run, so that `--help` is quick and no extra is needed for the others."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        module, _ = _COMMANDS[name]
        return _import_command(module)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, commands in _SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name, text) for name, (_, text) in commands.items()])


def _import_command(module: str) -> click.Command:
    command: click.Command = import_module(module).main
    return command


@click.group(cls=_Commands, epilog=EXIT_CODES, context_settings={"max_content_width": 100})
@click.version_option(package_name="kaizen-batch")
def main() -> None:
    """Push many items through a language model, or any async call, concurrently and within limits.

    \b
    kaizen-batch run tickets.csv --prompt "Classify: {text}" --output labels.csv --schema labels.json
    """
