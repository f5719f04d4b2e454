"""`kaizen-batch init`: a commented run.toml and a schema draft for a file of rows."""

import json
import re
from itertools import islice
from pathlib import Path

import click

from kaizen_batch.commands.command import Command, say, show_lines
from kaizen_batch.errors import ConfigError, RecordError
from kaizen_batch.files import open_records
from kaizen_batch.files.names import stem_of
from kaizen_batch.results.texts.summary import Line
from kaizen_batch.results.texts.terminal import one_line

_ROWS_READ = 20
_SHOWN = 60
_SCHEMA = {
    "type": "object",
    "description": "Decide which team a row belongs to.",
    "properties": {
        "label": {"enum": ["billing", "tech", "other"], "description": "the team that should answer"},
        "confidence": {"type": "number", "minimum": 0, "maximum": 1, "description": "how sure you are, 0 to 1"},
    },
}
_TOML = """\
# kaizen-batch run --config {name}
# Try it first, without a call or a key:   kaizen-batch run --config {name} --dry-run
# Predict the cost:                        kaizen-batch estimate --config {name} --offline

input = {input}
output = {output}

# The columns of the input, with the value of the first row:
{columns}
# Name columns in braces; write a literal brace as {{{{ or }}}}.
prompt = {prompt}

# The answer: each property of the schema becomes a column. Without a schema there is one column, result.
schema = {schema}

model = "gpt-4o-mini"
# base_url = "http://127.0.0.1:8000/v1"   # a compatible endpoint, in place of OpenAI
# max_tokens = 500                        # maximum tokens per answer
# max_concurrent = 10                     # concurrent calls
# budget = 5                              # USD, never more
{id_line}
"""


@click.command("init", cls=Command)
@click.argument("input", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--output", default="run.toml", show_default=True, type=click.Path(path_type=Path), metavar="TOML")
@click.option("--encoding", metavar="NAME", help="Encoding of FILE, if not UTF-8.")
@click.option("--overwrite", is_flag=True, help="Replace existing files.")
def main(input: Path, output: Path, encoding: str | None, overwrite: bool) -> None:
    """Write a commented run.toml for FILE, with its columns, a prompt and a schema draft.

    \b
    Example:
      kaizen-batch init tickets.csv
    """
    columns = _columns_of(input, encoding)
    schema = output.with_name(f"{output.stem}.schema.json")
    for path in (output, schema):
        if path.exists() and not overwrite:
            raise ConfigError(f"{str(path)!r} exists: give --overwrite to replace it, or another --output")
    output.write_text(_toml(input, output, schema, columns), encoding="utf-8")
    schema.write_text(json.dumps(_SCHEMA, indent=2) + "\n", encoding="utf-8")
    show_lines([Line("wrote", f"{output} and {schema}: edit the prompt and the schema")])
    show_lines([Line("next", "to see the prompts without a call, run:")])
    say(f"  kaizen-batch run --config {output} --dry-run")


def _columns_of(path: Path, encoding: str | None) -> dict[str, str]:
    """The columns of the first rows, each with its first value."""
    columns: dict[str, str] = {}
    with open_records(path, encoding=encoding) as records:
        for row in islice(records, _ROWS_READ):
            for name, value in row.items():
                columns[name] = columns.get(name) or one_line(str(value if value is not None else ""), _SHOWN)
    if not columns:
        raise RecordError(f"{str(path)!r} has no rows: give a file with at least one")
    return columns


def _toml(input: Path, output: Path, schema: Path, columns: dict[str, str]) -> str:
    width = max(map(len, columns))
    longest = max(columns, key=lambda name: (len(columns[name]), not _names_rows(name)))
    identity = min(filter(_names_rows, columns), key=lambda name: len(_words_of(name)), default=None)
    suffix = "".join(input.suffixes[-2:]) if input.suffix in (".gz", ".bz2", ".xz", ".zst") else input.suffix
    texts: dict[str, object] = {
        "name": output,
        "input": _quoted(str(input)),
        "output": _quoted(f"{stem_of(str(input))}.labels{suffix}"),
        "columns": "\n".join(f"#   {one_line(name):{width}s}  {value}" for name, value in columns.items()),
        "prompt": _quoted(f"Classify this row.\n\n{{{longest}}}"),
        "schema": _quoted(str(schema)),
        "id_line": f"id = {_quoted(identity)}" if identity else '# id = "column"   # names rows in errors',
    }
    return _TOML.format(**texts)


def _names_rows(column: str) -> bool:
    return _words_of(column)[-1] in ("id", "key", "uuid")


def _words_of(column: str) -> list[str]:
    """The words of a column's name: ticket_id, ticketId and "Ticket ID" have two."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", column).lower().replace(" ", "_").replace("-", "_").split("_")


def _quoted(text: str) -> str:
    """A TOML string: its escapes are those of JSON."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
