"""The demo: 20 items through a workflow, then the same work at max_concurrent 1, 3, 5 and 10.

python -m kaizen_batch.workflows.demo [--provider openai]
"""

from typing import Any

import click

from kaizen_batch.nodes.kailash_types import WorkflowBuilder
from kaizen_batch.workflows.graph import execute, model_config, model_options

ITEMS = 20
COMPARED = (1, 3, 5, 10)


def run_demo(provider: str, **options: Any) -> dict[str, Any]:
    """A workflow of one node, added by its type name; returns the node's results and summary."""
    config = model_config(provider, **options)
    builder = WorkflowBuilder()
    batch = [{"prompt": f"Summarize document {number} in one sentence"} for number in range(1, ITEMS + 1)]
    stored = config.model_dump(exclude_unset=True, exclude={"base_url"})
    builder.add_node("BatchProcessorAgent", "agent", {**stored, "batch": batch})
    outputs: dict[str, Any] = execute(builder, config)["agent"]
    return outputs


@click.command("demo")
@model_options
def main(provider: str, model: str, **options: Any) -> None:
    """20 items through a Kailash workflow, then a comparison of max_concurrent 1, 3, 5, 10."""
    outputs = run_demo(provider, model=model, **options)
    summary = outputs["summary"]
    where = "the mock provider, 10 ms per call" if provider == "mock" else f"{model} over HTTP"
    click.echo(f"{summary['total']} items through LocalRuntime -> BatchProcessorAgent ({where})\n")
    click.echo(
        f"  {summary['ok']} ok, {summary['failed']} failed in {summary['elapsed_s']:.2f} s: "
        f"{summary['items_per_s']:.0f} items/s, {summary['amplification']:.2f} calls per item"
    )
    for result in outputs["results"][:3]:
        click.echo(f"  [{result['index']}] {result['result'] or result['error']}")
    click.echo("\n  max_concurrent   seconds   items/s   speed-up")
    seconds: dict[int, float] = {}
    for concurrent in COMPARED:
        summary = run_demo(provider, model=model, max_concurrent=concurrent)["summary"]
        seconds[concurrent] = summary["elapsed_s"]
        click.echo(
            f"  {concurrent:14d} {summary['elapsed_s']:9.2f} {summary['items_per_s']:9.0f} "
            f"{seconds[COMPARED[0]] / summary['elapsed_s']:9.1f}x"
        )


if __name__ == "__main__":
    main()
