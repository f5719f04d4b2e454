"""Transform records: messy customer rows in; clean ones out, checked by a pydantic model.

python -m kaizen_batch.workflows.transform_records [--provider openai] [--input customers.csv]
"""

from pathlib import Path
from typing import Any

import click
from pydantic import BaseModel, Field

from kaizen_batch import BatchConfig
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

TEMPLATE = "full_name: {full_name}\nemail: {email}\nphone: {phone}\ncountry: {country}\nnotes: {notes}"


class CleanCustomer(BaseModel):
    """Clean up this customer record. Change no fact and invent none; an unknown value is an empty text."""

    full_name: str = Field(description="first name, then last name, in usual capitals")
    phone: str = Field(description="in E.164 form, such as +14155550123")
    country: str = Field(description="the English name of the country")
    wants_a_call: bool = Field(description="whether the notes ask for a call back")


def build(source: Path, target: Path, failed: Path, config: BatchConfig) -> WorkflowBuilder:
    """reader -> agent -> join -> JSON writer."""
    agent = BatchProcessorAgent(config, signature=CleanCustomer, template=TEMPLATE)
    return workflow_of(agent, source, target, failed)


@click.command("transform-records")
@model_options
@file_options("customers.csv")
def main(provider: str, input_file: Path | None, output_folder: Path, **options: Any) -> None:
    """Clean up the records of a CSV file; each cleaned field is added as `<name>_result`."""
    source = prepared("customers.csv", input_file, output_folder)
    target, failed = fresh(output_folder, "customers_clean.json", "customers_failed.csv")
    config = model_config(provider, **options)
    outputs = execute(build(source, target, failed, config), config)
    rows = outputs["join"]["data"]
    report_run(outputs["agent"], source, {target: rows, failed: outputs["join"]["failed_rows"]})
    for row in rows[:3]:
        click.echo(f"sample   {row['full_name']!r}, {row['country']!r} -> {row['full_name_result']!r}, "
                   f"{row['country_result']!r}")  # fmt: skip
    if provider == "mock":
        click.echo("note     the mock copies the fields; use --provider openai to clean them")


if __name__ == "__main__":
    main()
