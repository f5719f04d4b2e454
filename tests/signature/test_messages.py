"""Conversations: what is a valid one, and what is added to it."""

from typing import Any

import pytest

from kaizen_batch import BatchProcessorAgent, Image, InputError
from kaizen_batch.signature.media import PendingMessages
from kaizen_batch.signature.messages import conversation, looks_like_parts, text_of, with_system
from kaizen_batch.simulator import Simulator

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


TEXT = {"type": "text", "text": "hi"}
URL = {"type": "image_url", "image_url": {"url": "https://a.example/x.png"}}
CALL = {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function", "function": {}}]}


@pytest.mark.parametrize(
    "messages",
    [
        [ASKED],
        [{"role": "system", "content": "A"}, ASKED, {"role": "assistant", "content": "B"}, ASKED],
        [{"role": "user", "content": [TEXT, URL], "name": "Ada"}],
        [ASKED, CALL, {"role": "tool", "content": "3", "tool_call_id": "1"}],
        [{"role": "developer", "content": "A"}, ASKED],
    ],
)
def test_a_conversation_is_sent_as_it_is(messages: list[Any]) -> None:
    assert conversation(messages) == messages


@pytest.mark.parametrize(
    ("messages", "why"),
    [
        ([], "must be a list of messages"),
        ("hi", "must be a list of messages; given: a str"),
        (["hi"], "message 1 must be a dict"),
        ([ASKED, {"content": "x"}], "message 2 must have a role"),
        ([{"role": "usr", "content": "x"}], "must have a role, one of system"),
        ([{"role": "user"}], "must have a content"),
        ([{"role": "user", "content": 5}], "must have a content that is a string or a list of parts; given: a int"),
        ([{"role": "assistant", "content": None}], "must have a content"),
        ([{"role": "user", "content": []}], "at least one part"),
        ([{"role": "user", "content": ["x"]}], "must have parts with a type"),
        ([{"role": "user", "content": [{"type": "txt", "text": "x"}]}], "one of text, refusal"),
        ([{"role": "user", "content": [{"type": "text"}]}], "must have 'text'"),
        (
            [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "/etc/passwd"}}]}],
            "must have a URL",
        ),
        ([{"role": "tool", "content": "3"}], "must have a tool_call_id"),
        ([{"role": "user", "content": "x", "extra": {1, 2}}], "must be JSON"),
    ],
)
def test_a_wrong_conversation_is_named(messages: Any, why: str) -> None:
    with pytest.raises(InputError) as caught:
        conversation(messages)
    assert why in str(caught.value)


def test_an_image_in_a_conversation_is_read_later() -> None:
    found = conversation([{"role": "user", "content": [TEXT, Image("a.png")]}])
    assert type(found) is PendingMessages


def test_the_text_of_a_content() -> None:
    assert [text_of(each) for each in ("a", [TEXT, URL, TEXT], None)] == ["a", "hi\nhi", ""]


def test_which_lists_are_parts() -> None:
    assert looks_like_parts([TEXT]) and looks_like_parts([{"x": 1}, URL]) and looks_like_parts((Image("a"),))
    assert not any(map(looks_like_parts, ([], ["a"], [{"type": "cat"}], "text", {"type": "text"})))


@pytest.mark.enable_socket
async def test_instructions_lead_a_conversation_and_parts_are_sent_as_parts() -> None:
    items: list[Any] = [
        {"messages": [ASKED]},
        {"messages": [{"role": "system", "content": "Be kind."}, ASKED]},
        [TEXT, URL],
        {"prompt": [TEXT]},
        {"prompt": [TEXT, {"kind": "text"}]},
        {"messages": "hi"},
    ]
    with Simulator() as server:
        agent = BatchProcessorAgent(base_url=server.base_url, system_prompt="Be brief.", max_concurrent=1)
        batch = await agent.run_batch(items)
        sent = [body["messages"] for body in server.bodies]
    assert [result["status"] for result in batch.results] == ["ok"] * 4 + ["error"] * 2
    assert sent[0] == [{"role": "system", "content": "Be brief."}, ASKED]
    assert sent[1] == [{"role": "system", "content": "Be kind.\n\nBe brief."}, ASKED]
    assert sent[2][1]["content"] == [TEXT, URL]
    assert sent[3][1]["content"] == [TEXT]
    assert [result["error"]["code"] for result in batch.results[4:]] == ["invalid_input"] * 2
