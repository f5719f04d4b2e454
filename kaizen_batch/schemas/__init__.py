"""JSON schemas of answers: how they are sent, and how answers to them are found, checked and read."""

from kaizen_batch.schemas.answers import AnswerSchema, schema_text
from kaizen_batch.schemas.extraction import has_json, json_values
from kaizen_batch.schemas.messages import with_system
from kaizen_batch.schemas.strict import NotStrictError, StrictForm, strict_form

__all__ = [
    "AnswerSchema",
    "NotStrictError",
    "StrictForm",
    "has_json",
    "json_values",
    "schema_text",
    "strict_form",
    "with_system",
]
