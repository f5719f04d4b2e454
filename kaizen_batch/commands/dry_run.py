"""`--dry-run`: what would be asked, without a call and without a key."""

from itertools import islice
from typing import Any

import click

from kaizen_batch.commands.command import put_json, tell
from kaizen_batch.commands.rows import question_of, records_of
from kaizen_batch.config import BatchConfig
from kaizen_batch.errors import InputError
from kaizen_batch.signature import ProcessingSignature, Signature, as_signature
from kaizen_batch.templates import PromptTemplate

SHOWN = 3


def show_prompts(options: dict[str, Any], template: PromptTemplate | None, config: BatchConfig, outputs: Any) -> None:
    """The first questions as they would be sent. Raises: ConfigError for a column that the rows lack."""
    signature = as_signature(outputs or ProcessingSignature)
    with records_of(options, template) as records:
        rows = list(islice(records, min(SHOWN, options["limit"] or SHOWN)))
    asked = [_messages(signature, question_of(row, template), config.system_prompt) for row in rows]
    if options["as_json"]:
        put_json({"model": config.model, "outputs": list(signature.output_fields()), "messages": asked})
        return
    for number, messages in enumerate(asked, start=1):
        click.echo(f"--- row {number}")
        for message in messages:
            click.echo(f"[{message['role']}] {message['content']}")
    tell(
        f"dry run: no call was made. {config.model} would answer {', '.join(signature.output_fields())} for each row;"
        " kaizen-batch estimate says what that costs"
    )


def _messages(signature: type[Signature], question: Any, system: str | None) -> list[dict[str, str]]:
    try:
        return signature.messages(question, system)
    except InputError as error:
        return [{"role": "not asked", "content": error.message}]
