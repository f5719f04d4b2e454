"""The options of `run` that divide a job among processes, and what they make of it."""

import os
import shlex
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

import click

from kaizen_batch.agents import Agent
from kaizen_batch.commands.command import F
from kaizen_batch.commands.settings import Options, agent_of, without_option
from kaizen_batch.concurrency.sync import run_sync
from kaizen_batch.config import BatchConfig
from kaizen_batch.distributed import Folder, LocalFolder, Shard, ShardRun, Work, open_folder, open_shard, shard_of
from kaizen_batch.distributed.ray_executor import RayExecutor
from kaizen_batch.errors import ConfigError
from kaizen_batch.files.job import FileJob, JobResult
from kaizen_batch.files.names import STANDARD, kind_of, path_text
from kaizen_batch.files.objects import is_url

MERGED = "merged.db"
_OWN = ("--shard", "--shards", "--run-folder", "--executor", "--ray-address", "--workers")

SHARD_OPTIONS = (
    click.option(
        "--shard",
        metavar="I/N",
        help="Process only shard I of N, such as 3/16; auto: what Slurm, Kubernetes or AWS Batch says.",
    ),
    click.option("--shards", type=click.IntRange(1), metavar="N", help="Number of shards, where nothing else says it."),
    click.option(
        "--run-folder",
        metavar="DIR",
        help="Where shards meet; `kaizen-batch merge DIR` joins them.  [default: OUTPUT.run]",
    ),
    click.option("--executor", type=click.Choice(["ray"]), help="Process all shards on a Ray cluster."),
    click.option("--ray-address", metavar="ADDRESS", help="Ray cluster; without it, one is started on this machine."),
    click.option("--workers", type=click.IntRange(1), metavar="N", help="Shards at once on the cluster.  [default: 2]"),
)


def shard_options(command: F) -> F:
    """The options of SHARD_OPTIONS, as a decorator."""
    for option in reversed(SHARD_OPTIONS):
        command = option(command)
    return command


def asked_shard(options: Options) -> Shard | None:
    """The shard that is to be processed; None for the whole job. Raises: ConfigError."""
    is_cut = options["shard"] is not None or options["executor"] is not None
    if is_cut and (options["journal"] is not None or options["no_journal"]):
        raise ConfigError("a shard keeps its journal in the run folder: leave out --journal and --no-journal")
    if options["shard"] is None:
        _check_owners(options)
        return None
    if options["executor"] is not None:
        raise ConfigError("--executor processes all shards: leave out --shard")
    return shard_of(options["shard"], options["shards"], os.environ)


def _check_owners(options: Options) -> None:
    """Raise ConfigError for an option without the one that it belongs to."""
    for name in ("shards", "run_folder", "ray_address", "workers"):
        if options[name] is not None and options["executor"] is None:
            flag, owner = name.replace("_", "-"), "executor" if name in ("ray_address", "workers") else "shard"
            raise ConfigError(f"--{flag} belongs to --{owner}: add --{owner}, see --help")


def executed(options: Options, job: FileJob, config: BatchConfig) -> Callable[..., Coroutine[Any, Any, JobResult]]:
    """What runs the whole job on a cluster. Raises: ConfigError."""
    executor = RayExecutor(options["ray_address"], options["workers"] or 2, folder_of(options).name)
    work = Work(job, config, partial(_agent_of, dict(options)), command_of(config), str(Path.cwd()))
    return partial(executor.run, work)


def _agent_of(options: Options, config: BatchConfig) -> Agent:
    return agent_of(options, config)


def folder_of(options: Options) -> Folder:
    """The run folder. Raises: ConfigError for an output that has no place for it."""
    if options["run_folder"] is not None:
        return open_folder(options["run_folder"])
    if options["output"] == STANDARD:
        raise ConfigError("shards cannot write to standard output: give --output a file, or name a --run-folder")
    return open_folder(f"{options['output'].rstrip('/')}.run")


def merged_journal_of(options: Options) -> Path | None:
    """The journal that an executor merges in the run folder; None where that is no folder of this machine."""
    folder = folder_of(options)
    return folder.path / MERGED if isinstance(folder, LocalFolder) else None


def is_folder_of_parts(output: str) -> bool:
    """Whether the output is a folder, with a file for each shard."""
    return output.endswith("/") or ("://" not in output and Path(output).is_dir())


def output_of_parts(options: Options) -> Options:
    """The options with the name of a part in place of the folder, in the format of the input or the one asked for."""
    if not is_folder_of_parts(options["output"]):
        return options
    if is_url(options["output"]) and not options["output"].partition("://")[2].strip("/").count("/"):
        raise ConfigError(f"a folder of parts needs a name in its bucket: {options['output'].rstrip('/')}/answers/")
    source = options["input"] if isinstance(options["input"], str) else options["input"][0]
    suffix = options["output_format"] or kind_of(path_text(source), options["input_format"]).format
    return {**options, "output": f"{options['output'].rstrip('/')}/part.{suffix}"}


def open_shard_of(ctx: click.Context, job: FileJob, config: BatchConfig, shard: Shard) -> tuple[ShardRun, Agent]:
    """The shard, checked against the plan in the run folder. Raises: ConfigError."""
    options: dict[str, Any] = ctx.params
    folder = folder_of(options)
    command = command_of(config)
    # The output is that of a merge, which asks before it replaces a file that no merge wrote.
    config = config.model_copy(update={"labels": {k: v for k, v in config.labels.items() if k != "output"}})
    work = Work(job, config, lambda own: agent_of(options, own), command, str(Path.cwd()))
    return run_sync(lambda: open_shard(folder, work, shard))


def command_of(config: BatchConfig) -> tuple[str, ...]:
    """The words of the command, for another process: without what only this one was told."""
    words = shlex.split(config.labels["command"])[2:]
    for option in _OWN:
        words = without_option(words, option)
    return tuple(words)
