"""`--dry-run`: show the prompts, without a call and without a key."""

import json
from itertools import islice

import click

from kaizen_batch.agents import prepared
from kaizen_batch.commands.command import put_json, say
from kaizen_batch.commands.rows import records_of
from kaizen_batch.commands.settings import WITHOUT_CALLS, Options, agent_of, config_of
from kaizen_batch.errors import InputError
from kaizen_batch.files.row_agent import RowAgent
from kaizen_batch.files.templates import PromptTemplate
from kaizen_batch.journal.canonical import with_references
from kaizen_batch.results.texts.terminal import printable
from kaizen_batch.signature.media import Message

SHOWN = 3


def show_prompts(options: Options, template: PromptTemplate | None) -> None:
    """Print the first prompts as they would be sent. Raises: ConfigError for a column that the rows lack."""
    config = config_of(options, **WITHOUT_CALLS)
    agent = RowAgent(agent_of(options, config), template)
    with records_of(options, template) as records:
        asked = [_messages(agent, row) for row in islice(records, min(SHOWN, options["limit"] or SHOWN))]
    outputs = list(agent.output_fields)
    if options["as_json"]:
        put_json({"model": config.model, "outputs": outputs, "messages": asked})
        return
    for number, messages in enumerate(asked, start=1):
        click.echo(f"--- row {number}")
        for message in messages:
            click.echo(printable(f"[{message['role']}] {_content(message.get('content'))}"))
    say(
        f"dry run: no call was made. {config.model} would fill the columns {', '.join(outputs)} of each row;"
        " kaizen-batch estimate predicts the cost"
    )


def _messages(agent: RowAgent, row: dict[str, object]) -> list[Message]:
    try:
        request = prepared(agent, row)
    except InputError as error:
        return [{"role": "not asked", "content": error.message}]
    messages: list[Message] | None = getattr(request, "messages", None)
    if messages is None:
        return [{"role": "arguments", "content": str(request)}]  # those of a function
    return [{**message, "content": with_references(message.get("content"))[0]} for message in messages]


def _content(content: object) -> str:
    """The content of a message for a terminal; media by their hashes."""
    if not isinstance(content, list):
        return str(content)
    return "\n".join(part["text"] if part.get("type") == "text" else json.dumps(part) for part in content)
