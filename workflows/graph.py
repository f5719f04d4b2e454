"""What the ready-made workflows share: files, options, and one run on LocalRuntime."""

import logging
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import click
import kailash.nodes.data  # noqa: F401 - registers the readers and writers that the workflows use
from kailash.runtime.local import LocalRuntime

from kaizen_batch import BatchConfig, ConfigError, KaizenBatchError
from kaizen_batch.nodes import BatchProcessorAgent
from kaizen_batch.nodes.kailash_types import WorkflowBuilder

OUTPUT_FOLDER = "kaizen_batch_output"
MOCK_LATENCY_S = 0.01
_WRITERS = {".csv": "CSVWriterNode", ".json": "JSONWriterNode"}


def model_options(command: Callable[..., None]) -> Callable[..., None]:
    """The command-line options of every workflow that calls a model."""
    for option in reversed(
        (
            click.option("--provider", default="mock", show_default=True, type=click.Choice(["mock", "openai"]),
                         help="mock answers in this process; openai calls OPENAI_BASE_URL with OPENAI_API_KEY."),
            click.option("--model", default="gpt-4o-mini", show_default=True, help="Model to call."),
            click.option("--max-concurrent", default=10, show_default=True, help="Calls in flight at once."),
            click.option("--journal", default=None, type=click.Path(dir_okay=False),
                         help="File that records every answer; run the command again with it to resume."),
            click.option("--budget-usd", default=None, type=float, help="Never spend more than this."),
        )
    ):  # fmt: skip
        command = option(command)
    return command


def file_options(sample: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """`--input` (default: the sample rows of the package) and `--output-folder`."""

    def add(command: Callable[..., None]) -> Callable[..., None]:
        command = click.option("--output-folder", default=OUTPUT_FOLDER, show_default=True, help="Where to write.",
                               type=click.Path(file_okay=False, path_type=Path))(command)  # fmt: skip
        return click.option("--input", "input_file", help=f"CSV file; default: the sample {sample}.",
                            type=click.Path(exists=True, dir_okay=False, path_type=Path))(command)  # fmt: skip

    return add


def model_config(provider: str, **options: Any) -> BatchConfig:
    """The config of a workflow's agent; the mock answers after 10 ms.

    Raises: click.ClickException when the real API is requested and there is no key.
    """
    if provider == "mock":
        options["provider_options"] = {"latency_s": MOCK_LATENCY_S}
    try:
        config = BatchConfig(llm_provider=provider, **options)
    except ConfigError as error:
        raise click.ClickException(str(error)) from error
    if provider == "openai" and config.api_key is None and config.base_url is None:
        raise click.ClickException("no API key: set OPENAI_API_KEY, or omit --provider openai to use the mock")
    return config


def prepared(sample: str, input_file: Path | None, output_folder: Path) -> Path:
    """A copy of the input in the output folder: Kailash's readers refuse paths such as /usr or /root."""
    output_folder.mkdir(parents=True, exist_ok=True)
    target = output_folder / sample
    if input_file is not None:
        target = output_folder / f"input_{input_file.name}"
        target.write_bytes(_text_of(input_file).encode())
        return target
    with as_file(files("kaizen_batch.workflows") / "data" / sample) as source:
        shutil.copyfile(source, target)
    return target


def _text_of(path: Path) -> str:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:  # Excel writes a byte-order mark
            text = file.read()
    except UnicodeDecodeError:
        raise click.ClickException(f"{path} is not UTF-8; save it as UTF-8 and try again") from None
    if not text.strip():
        raise click.ClickException(f"{path} is empty; a CSV file begins with a line of column names")
    return text


def execute(builder: WorkflowBuilder, config: BatchConfig | None = None, agent: str = "agent") -> dict[str, Any]:
    """Run a workflow and return the outputs of its nodes; when interrupted, print how to resume.

    Raises: click.ClickException with one line when a node fails or the agent's run ended early.
    """
    # Kailash logs at each start that its optional trust service is not installed.
    logging.getLogger("kailash.runtime.durable").setLevel(logging.ERROR)
    try:
        # Without enable_monitoring=False the runtime would store every prompt and answer in clear text.
        with _resumable(config), LocalRuntime(enable_monitoring=False) as runtime:
            outputs, _ = runtime.execute(builder.build())
    except Exception as error:
        raise click.ClickException(_root(error)) from error
    for node, output in outputs.items():
        if isinstance(output, dict) and output.get("failed"):
            raise click.ClickException(f"{node}: {output.get('error')}")
    stopped = outputs[agent]["summary"]["stopped"]
    if stopped:
        raise click.ClickException(f"the run ended early: {stopped}")
    return dict(outputs)


@contextmanager
def _resumable(config: BatchConfig | None) -> Iterator[None]:
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        if config is not None and config.journal is not None:
            again = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
            click.echo(f"interrupted; finished answers are saved in {config.journal}. To resume:\n  {again}", err=True)
        raise


def fresh(folder: Path, *names: str) -> list[Path]:
    """The output files of a run, without those of an earlier one: Kailash's writers write no file for no rows."""
    paths = [folder / name for name in names]
    for path in paths:
        path.unlink(missing_ok=True)
    return paths


def workflow_of(agent: BatchProcessorAgent, source: Path, target: Path, failed: Path) -> WorkflowBuilder:
    """CSVReaderNode -> agent -> JoinResultsNode -> two writers; the one of `target` is chosen by its suffix."""
    builder = agent.to_workflow()
    builder.add_node("CSVReaderNode", "reader", {"file_path": str(source)})
    builder.add_node("JoinResultsNode", "join")
    builder.add_node(_WRITERS[target.suffix], "writer", {"file_path": str(target)})
    builder.add_node("CSVWriterNode", "failed_writer", {"file_path": str(failed)})
    builder.add_connection("reader", "data", "agent", "batch")
    builder.add_connection("reader", "data", "join", "rows")
    builder.add_connection("agent", "results", "join", "results")
    builder.add_connection("join", "data", "writer", "data")
    builder.add_connection("join", "failed_rows", "failed_writer", "data")
    return builder


def report_run(agent: dict[str, Any], read: Path, written: dict[Path, list[object]]) -> None:
    """Print what was read, processed and written; a writer leaves no file for no rows.

    Raises: click.ClickException when no row succeeded.
    """
    summary = agent["summary"]
    click.echo(f"read     {summary['total']} rows from {read}")
    click.echo(
        f"did      {summary['ok']} ok, {summary['failed']} failed, {summary['calls']} calls "
        f"in {summary['elapsed_s']:.2f} s ({summary['items_per_s']:.0f} items/s), "
        f"at most {summary['peak_in_flight']} at once"
    )
    for path, rows in written.items():
        if rows:
            click.echo(f"wrote    {len(rows)} rows to {path}")
    failed = [result["error"]["message"] for result in agent["results"] if result["error"]]
    if failed and not summary["ok"]:
        raise click.ClickException(f"no row succeeded; the first failed because {failed[0]}")


def _root(error: BaseException) -> str:
    while error.__cause__ is not None and not isinstance(error, KaizenBatchError):
        error = error.__cause__
    return str(error)
