"""Transform records: messy customer rows in, clean ones out, checked by a pydantic model.

python -m kaizen_batch.workflows.transform_records [--provider openai] [--input customers.csv]
"""

from pathlib import Path
from typing import Any

import click
from kailash.workflow.builder import WorkflowBuilder
from pydantic import BaseModel, Field

from kaizen_batch import BatchConfig
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

TEMPLATE = "full_name: {full_name}\nemail: {email}\nphone: {phone}\ncountry: {country}\nnotes: {notes}"


class CleanCustomer(BaseModel):
    """Clean up this customer record. Change no fact and invent none; an unknown value is an empty text."""

    full_name: str = Field(description="first name, then last name, in usual capitals")
    phone: str = Field(description="in E.164 form, such as +14155550123")
    country: str = Field(description="the English name of the country")
    wants_a_call: bool = Field(description="whether the notes ask for a call back")


def build(source: Path, target: Path, failed: Path, config: BatchConfig) -> Graph:
    """reader -> prompts -> agent -> join -> JSON writer."""
    builder: Graph = WorkflowBuilder()
    add_agent(builder, BatchProcessorAgent(config, signature=CleanCustomer))
    read_and_prompt(builder, source, TEMPLATE)
    join_and_write(builder, "JSONWriterNode", target, failed)
    return builder


@click.command("transform-records")
@model_options
@file_options("customers.csv")
def main(provider: str, input_file: Path | None, output_folder: Path, **options: Any) -> None:
    """Clean up the records of a CSV file; the cleaned fields stand beside the old ones, as `<name>_result`."""
    source = prepared("customers.csv", input_file, output_folder)
    target, failed = fresh(output_folder, "customers_clean.json", "customers_failed.csv")
    config = model_config(provider, **options)
    outputs = execute(build(source, target, failed, config), config)
    rows = outputs["join"]["data"]
    say_what_was_done(outputs["agent"], source, {target: rows, failed: outputs["join"]["failed_rows"]})
    for row in rows[:3]:
        click.echo(f"sample   {row['full_name']!r}, {row['country']!r} -> {row['full_name_result']!r}, "
                   f"{row['country_result']!r}")  # fmt: skip
    if provider == "mock":
        click.echo("note     the mock copies the fields; for a model's work use --provider openai")


if __name__ == "__main__":
    main()
