"""Values of items as content of messages."""

import pytest

from kaizen_batch import Document, Image, InputError
from kaizen_batch.signature.media import PendingMessages
from kaizen_batch.signature.prompts import asked, labelled, rendered

TEXT = {"type": "text", "text": "hi"}


def test_texts_and_values_are_text() -> None:
    assert rendered("a") == "a" and rendered({"a": 1}) == '{"a": 1}' and rendered(["a"]) == '["a"]'
    assert labelled([("a", "x"), ("b", [1])]) == "a: x\n\nb: [1]"


def test_media_and_parts_are_parts() -> None:
    assert rendered(Image("a.png")) == [{"type": "image_url", "image_url": Image("a.png")}]
    assert rendered([TEXT]) == [TEXT]
    parts = labelled([("a", "x"), ("b", Document("b.pdf"))])
    assert parts == [
        {"type": "text", "text": "a: x"},
        {"type": "text", "text": "b:"},
        {"type": "file", "file": Document("b.pdf")},
    ]


def test_a_list_that_is_meant_as_parts_and_has_a_wrong_one_is_refused() -> None:
    with pytest.raises(InputError, match="must have parts with a type"):
        rendered([TEXT, {"kind": "text"}])


def test_only_messages_with_something_to_read_are_pending() -> None:
    assert type(asked("hi", "Be brief.")) is list
    assert type(asked([TEXT], "")) is list
    pending = asked([{"type": "image_url", "image_url": Image("a.png")}], "Be brief.")
    assert type(pending) is PendingMessages and pending[0]["role"] == "system"
