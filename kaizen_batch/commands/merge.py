"""`kaizen-batch merge`: join the shards of a job."""

import contextlib
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from kaizen_batch.commands.command import Command, json_option, put_json, show_lines
from kaizen_batch.commands.ending import written_lines
from kaizen_batch.commands.exit_codes import EXIT_CODES, Exit
from kaizen_batch.commands.file_options import job_of
from kaizen_batch.commands.foreign import ask_before_merge
from kaizen_batch.commands.run import main as run
from kaizen_batch.commands.settings import WITHOUT_CALLS, agent_of, config_of, template_of
from kaizen_batch.commands.shard_options import MERGED, is_folder_of_parts, output_of_parts
from kaizen_batch.concurrency.sync import run_sync
from kaizen_batch.distributed import Folder, LocalFolder, Merged, Work, merge, open_folder, plan_of
from kaizen_batch.distributed.plan import Plan
from kaizen_batch.results.texts.numbers import count, counted
from kaizen_batch.results.texts.summary import Ending, Line, sentences


@click.command("merge", cls=Command, epilog=EXIT_CODES)
@click.argument("folder", metavar="DIR")
@click.option("--overwrite", is_flag=True, help="Replace files that were edited or that no earlier merge wrote.")
@click.option("--yes", is_flag=True, help="Import and write what the plan of the shards names, without asking.")
@json_option
def main(folder: str, overwrite: bool, yes: bool, as_json: bool) -> None:
    """Write the output of a job that was run in shards. Makes no call.

    \b
    Example:
      kaizen-batch run tickets.csv --prompt "Classify: {text}" --output labels.csv --shard 1/2
      kaizen-batch run tickets.csv --prompt "Classify: {text}" --output labels.csv --shard 2/2
      kaizen-batch merge labels.csv.run

    DIR is the run folder. While shards are missing, the rows of the others are written to the partial file. The output
    is that of a single process, byte for byte. Answers stay in DIR/merged.db, a journal.

    A run folder may come from somebody else. If its plan names a provider to import, a --config file, or an output that
    is neither in this folder nor beside DIR, it is shown and you are asked; --yes answers.
    """
    found = open_folder(folder)
    plan = plan_of(found)
    if not yes:
        ask_before_merge(plan.command, Path(plan.home), found.name)
    merged = _merge(found, plan, overwrite=overwrite)
    lines = list(_lines(found, merged))
    if as_json:
        put_json(_as_dict(merged, lines))
    show_lines(lines)
    click.get_current_context().exit(_exit_code(merged))


def _merge(folder: Folder, plan: Plan, *, overwrite: bool) -> Merged:
    home = Path(plan.home)
    with contextlib.chdir(home) if home.is_dir() else contextlib.nullcontext():
        options = run.make_context("run", list(plan.command)).params
        journal = folder.path / MERGED if isinstance(folder, LocalFolder) else None
        parts = is_folder_of_parts(options["output"])
        options = output_of_parts(options)
        labels = {"command": shlex.join(["kaizen-batch", "run", *plan.command]), "folder": str(home)}
        options = {**options, "journal": journal, "no_journal": journal is None}
        config = config_of(options, labels={**labels, "output": options["output"]}, **WITHOUT_CALLS)
        job = job_of(options, template_of(options), overwrite=overwrite)
        work = Work(job, config, lambda own: agent_of(options, own))
        return run_sync(lambda: merge(folder, work, parts=parts))


def _lines(folder: Folder, merged: Merged) -> Iterator[Line]:
    figures, totals, plan = merged.summary.to_dict(), merged.totals, merged.plan
    done = plan.shards - len(merged.missing)
    yield Line("shards", f"{count(done)} of {count(plan.shards)} done")
    if merged.missing:
        yield Line(" ", f"missing: {_ranges(merged.missing)}", "warn")
    yield from sentences(figures, Ending("row", totals, done))
    if merged.paid_again:
        text = f"{counted(merged.paid_again, 'answer')} of equal rows in different shards"
        yield Line("paid again", f"{text}: each shard pays for its own")
    if merged.result is not None:
        yield from written_lines(merged.result)
    if merged.missing:
        yield Line("next", "to process a missing shard, run:")
        words = ["kaizen-batch", "run", *plan.command, "--shard", f"{merged.missing[0]}/{plan.shards}"]
        yield Line("", shlex.join([*words, "--run-folder", folder.name]), "command")


def _ranges(numbers: tuple[int, ...]) -> str:
    """Numbers in short: 1-3, 7."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][-1] + 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ", ".join(str(part[0]) if len(part) == 1 else f"{part[0]}-{part[-1]}" for part in parts)


def _exit_code(merged: Merged) -> Exit:
    if merged.missing:
        return Exit.STOPPED
    return Exit.SOME_FAILED if merged.summary.failed else Exit.OK


def _as_dict(merged: Merged, lines: list[Line]) -> dict[str, Any]:
    result = merged.result
    return {
        "shards": merged.plan.shards,
        "missing": list(merged.missing),
        "complete": not merged.missing,
        "output": None if result is None else result.output,
        "failed_output": None if result is None else result.failed_output,
        "rows_written": 0 if result is None else result.rows_written,
        "paid_again": merged.paid_again,
        "exit_code": int(_exit_code(merged)),
        "sentences": [f"{line.label}: {line.text}" if line.label else line.text for line in lines],
        "summary": merged.summary.to_dict(),
        "totals": merged.totals.to_dict(),
    }
