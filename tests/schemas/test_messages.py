"""An instruction that is added to a conversation."""

from typing import Any

import pytest

from kaizen_batch.schemas.messages import with_system

ASKED = {"role": "user", "content": "hi"}


@pytest.mark.parametrize(
    ("first", "wanted"),
    [
        ([], [{"role": "system", "content": "X"}]),
        ([{"role": "system", "content": "A"}], [{"role": "system", "content": "A\n\nX"}]),
        ([{"role": "system", "content": ""}], [{"role": "system", "content": "X"}]),
        ([{"role": "developer", "content": "A"}], [{"role": "developer", "content": "A\n\nX"}]),
        (
            [{"role": "system", "content": [{"type": "text", "text": "A"}]}],
            [{"role": "system", "content": [{"type": "text", "text": "A"}, {"type": "text", "text": "X"}]}],
        ),
    ],
)
def test_it_is_appended_to_the_first_system_message_or_leads(first: list[Any], wanted: list[Any]) -> None:
    given = [*first, ASKED]
    assert with_system(given, "X") == [*wanted, ASKED]
    assert given == [*first, ASKED], "the messages themselves are not changed"
