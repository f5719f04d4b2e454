"""The options of run and estimate: those of a run, with the same defaults, and no key among them."""

import click
import pytest

from kaizen_batch import BatchConfig, FileJob
from kaizen_batch.commands.estimate import main as estimate
from kaizen_batch.commands.run import main as run
from kaizen_batch.commands.settings import MAX_TOKENS_WITH_BUDGET
from tests.docs.pages import DOCS


def option(command: click.Command, name: str) -> click.Option:
    [found] = [each for each in command.params if each.name == name]
    assert isinstance(found, click.Option)
    return found


@pytest.mark.parametrize(
    ("flag", "field"),
    [
        ("max_concurrent", "max_concurrent"),
        ("timeout", "timeout_s"),
        ("grace", "grace_s"),
        ("on_error", "on_error"),
        ("structured", "structured"),
        ("on_truncated", "on_truncated"),
        ("on_empty", "on_empty"),
        ("provider", "llm_provider"),
    ],
)
def test_the_defaults_of_flags_are_those_of_the_configuration(flag: str, field: str) -> None:
    assert option(run, flag).default == BatchConfig.model_fields[field].default


def test_estimate_takes_the_options_of_run() -> None:
    own_to_run = {each.name for each in run.params} - {each.name for each in estimate.params}
    shards = {"shard", "shards", "run_folder", "executor", "workers", "ray_address"}
    assert own_to_run <= {"dry_run", "overwrite", "yes", "verbose", "accept_loss", *shards}


def test_every_option_has_a_help_text_and_none_takes_a_key() -> None:
    for command in (run, estimate):
        for each in command.params:
            if isinstance(each, click.Option) and not each.hidden:
                assert each.help, each.name
            assert "key" not in (each.name or "")


def test_the_page_names_the_defaults_that_differ_from_python() -> None:
    page = (DOCS / "commands.md").read_text(encoding="utf-8")
    defaults = {parameter.name: parameter.default for parameter in run.params}
    fields = BatchConfig.model_fields
    assert f"| model | `{defaults['model']}` | `{fields['model'].default}` |" in page
    budgeted = f"the model's own limit; {MAX_TOKENS_WITH_BUDGET} with `--budget`"
    assert f"| maximum tokens per answer | {budgeted} | {fields['max_tokens'].default} |" in page
    assert fields["journal"].default is None and FileJob("a.csv", "b.csv").overwrite is True
