"""Classify documents: CSV in; a label and a confidence per row, CSV out.

python -m kaizen_batch.workflows.classify_documents [--provider openai] [--input documents.csv]
"""

from pathlib import Path
from typing import Any, Literal

import click

from kaizen_batch import BatchConfig, InputField, OutputField, Signature
from kaizen_batch.nodes import BatchProcessorAgent
from kaizen_batch.nodes.kailash_types import WorkflowBuilder
from kaizen_batch.workflows.graph import (
    execute,
    file_options,
    fresh,
    model_config,
    model_options,
    prepared,
    report_run,
    workflow_of,
)

TEMPLATE = "{title}\n\n{text}"


class DocumentKind(Signature):
    """Decide what kind of document this is."""

    prompt: str = InputField("title and text of the document")
    label: Literal["invoice", "contract", "complaint", "resume", "report"] = OutputField("the kind of document")
    confidence: float = OutputField("how sure you are, from 0 to 1", ge=0, le=1)


def build(source: Path, labelled: Path, failed: Path, config: BatchConfig) -> WorkflowBuilder:
    """reader -> agent -> join -> two writers."""
    agent = BatchProcessorAgent(config, signature=DocumentKind, template=TEMPLATE)
    return workflow_of(agent, source, labelled, failed)


@click.command("classify-documents")
@model_options
@file_options("documents.csv")
def main(provider: str, input_file: Path | None, output_folder: Path, **options: Any) -> None:
    """Label each document of a CSV file (columns: title, text), with a confidence."""
    source = prepared("documents.csv", input_file, output_folder)
    labelled, failed = fresh(output_folder, "documents_labelled.csv", "documents_failed.csv")
    config = model_config(provider, **options)
    outputs = execute(build(source, labelled, failed, config), config)
    rows, bad = outputs["join"]["data"], outputs["join"]["failed_rows"]
    report_run(outputs["agent"], source, {labelled: rows, failed: bad})
    counts = {label: sum(row["label"] == label for row in rows) for label in sorted({row["label"] for row in rows})}
    click.echo("labels   " + ", ".join(f"{label} {count}" for label, count in counts.items()))
    if provider == "mock":
        click.echo("note     the mock counts words; use --provider openai for real labels")


if __name__ == "__main__":
    main()
