"""What is known of an output's columns before its first row."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kaizen_batch.files.dialect import DELIMITERS, Dialect
from kaizen_batch.files.reader import Records
from kaizen_batch.files.rows import Selection

if TYPE_CHECKING:
    import pyarrow


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns in order; for those that the input has, their Arrow schema, or that all of them are text.

    `dialect` is that of delimited text. `schema` is None where the input is no Arrow table.
    """

    columns: tuple[str, ...] = ()
    schema: "pyarrow.Schema" = None
    texts: tuple[str, ...] = ()
    dialect: Dialect | None = None

    @classmethod
    def like(cls, records: Records | None, more: tuple[str, ...] = (), selection: Selection | None = None) -> "Layout":
        """The columns of an input that stay, and more behind them."""
        selection = selection or Selection()
        if records is None:
            return cls(more)
        kept = selection.of(records.columns or ())
        schema = None if records.schema is None else _narrowed(records.schema, kept)
        texts = kept if records.format in DELIMITERS else ()
        return cls(tuple(dict.fromkeys((*kept, *more))), schema, texts)

    def arrow_types(self) -> dict[str, object]:
        """The types of the input's columns."""
        import pyarrow as pa

        if self.schema is not None:
            return {column.name: column.type for column in self.schema}
        return dict.fromkeys(self.texts, pa.string())

    def arrow_schema(self, types: dict[str, object]) -> object:
        """The schema of columns with these types; those of the input keep what their schema says besides."""
        import pyarrow as pa

        given = {} if self.schema is None else {column.name: column for column in self.schema}
        fields = []
        for name, kind in types.items():
            same = name in given and kind is not None and given[name].type.equals(kind)
            fields.append(given[name] if same else pa.field(name, pa.null() if kind is None else kind))
        return pa.schema(fields, metadata=None if self.schema is None else self.schema.metadata)


def _narrowed(schema: "pyarrow.Schema", kept: tuple[str, ...]) -> object:
    """The schema of some of its columns; pandas' metadata must not name others, or pandas cannot read the file."""
    import pyarrow as pa

    if len(kept) == len(schema):
        return schema
    metadata = dict(schema.metadata or {})
    if b"pandas" in metadata:
        metadata[b"pandas"] = _narrowed_pandas(metadata[b"pandas"], kept)
    return pa.schema([schema.field(name) for name in kept], metadata=metadata or None)


def _narrowed_pandas(text: bytes, kept: tuple[str, ...]) -> bytes:
    pandas = json.loads(text)
    index = [each for each in pandas.get("index_columns", []) if not isinstance(each, str) or each in kept]
    columns = [each for each in pandas.get("columns", []) if each.get("field_name", each.get("name")) in kept]
    return json.dumps({**pandas, "index_columns": index, "columns": columns}).encode()
