"""Classify documents: CSV in, a label and a confidence for each row, CSV out.

python -m kaizen_batch.workflows.classify_documents [--provider openai] [--input documents.csv]
"""

from pathlib import Path
from typing import Any, Literal

import click
from kailash.workflow.builder import WorkflowBuilder

from kaizen_batch import BatchConfig, InputField, OutputField, Signature
from kaizen_batch.nodes import BatchProcessorAgent
from kaizen_batch.workflows.graph import (
    Graph,
    add_agent,
    execute,
    file_options,
    fresh,
    join_and_write,
    model_config,
    model_options,
    prepared,
    read_and_prompt,
    say_what_was_done,
)


class DocumentKind(Signature):
    """Decide what kind of document this is."""

    prompt: str = InputField("title and text of the document")
    label: Literal["invoice", "contract", "complaint", "resume", "report"] = OutputField("the kind of document")
    confidence: float = OutputField("how sure you are, from 0 to 1", ge=0, le=1)


def build(source: Path, labelled: Path, failed: Path, config: BatchConfig) -> Graph:
    """reader -> prompts -> agent -> join -> two writers."""
    builder: Graph = WorkflowBuilder()
    add_agent(builder, BatchProcessorAgent(config, signature=DocumentKind))
    read_and_prompt(builder, source, "{title}\n\n{text}")
    join_and_write(builder, "CSVWriterNode", labelled, failed)
    return builder


@click.command("classify-documents")
@model_options
@file_options("documents.csv")
def main(provider: str, input_file: Path | None, output_folder: Path, **options: Any) -> None:
    """Label each document of a CSV file (columns: title, text) and say how sure the model is."""
    source = prepared("documents.csv", input_file, output_folder)
    labelled, failed = fresh(output_folder, "documents_labelled.csv", "documents_failed.csv")
    config = model_config(provider, **options)
    outputs = execute(build(source, labelled, failed, config), config)
    rows, bad = outputs["join"]["data"], outputs["join"]["failed_rows"]
    say_what_was_done(outputs["agent"], source, {labelled: rows, failed: bad})
    counts = {label: sum(row["label"] == label for row in rows) for label in sorted({row["label"] for row in rows})}
    click.echo("labels   " + ", ".join(f"{label} {count}" for label, count in counts.items()))
    if provider == "mock":
        click.echo("note     the mock counts words; for a model's judgement use --provider openai")


if __name__ == "__main__":
    main()
