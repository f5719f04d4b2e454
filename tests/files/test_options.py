"""ReadOptions: the fields and the keywords are the same, and FileJob has all of them."""

from dataclasses import fields
from typing import get_type_hints

from kaizen_batch import FileJob
from kaizen_batch.files.options import ReadKeywords, ReadOptions


def test_the_keywords_are_the_fields_with_their_types() -> None:
    hints = get_type_hints(ReadOptions)
    assert get_type_hints(ReadKeywords) == {field.name: hints[field.name] for field in fields(ReadOptions)}


def test_a_job_has_every_option_of_reading() -> None:
    assert {field.name for field in fields(ReadOptions)} <= {field.name for field in fields(FileJob)}


def test_a_tab_can_be_named() -> None:
    assert ReadOptions(delimiter="tab").delimiter == "\t" == ReadOptions(delimiter="\\t").delimiter
