"""The command `kaizen-batch`; also `python -m kaizen_batch`."""

from importlib import import_module

import click

_COMMANDS = {
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
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])


def _import_command(module: str) -> click.Command:
    try:
        command: click.Command = import_module(module).main
    except ModuleNotFoundError as error:
        if error.name != "httptools":
            raise
        raise click.ClickException("the simulator needs its extra: pip install 'kaizen-batch[simulator]'") from None
    return command


@click.group(cls=_Commands)
@click.version_option(package_name="kaizen-batch")
def main() -> None:
    """Push many items through a language model, or any async call, concurrently and within limits."""
