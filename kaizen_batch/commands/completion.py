"""`kaizen-batch completion`: the script that makes a shell complete commands and options."""

import click
from click.shell_completion import get_completion_class

from kaizen_batch.commands.command import Command

_SHELLS = ("bash", "zsh", "fish")


@click.command("completion", cls=Command)
@click.argument("shell", type=click.Choice(_SHELLS))
def main(shell: str) -> None:
    """Print the completion script of a shell.

    \b
    Examples:
      source <(kaizen-batch completion bash)
      kaizen-batch completion fish > ~/.config/fish/completions/kaizen-batch.fish
    """
    from kaizen_batch.commands.main import main as program

    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(program, {}, "kaizen-batch", "_KAIZEN_BATCH_COMPLETE").source())
