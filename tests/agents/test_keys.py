"""Requests that ask the same have one key, and others have another."""

from kaizen_batch import OutputSchema, Parameters, Request
from kaizen_batch.agents.keys import frame_of

TEXT = Request("m", [], 0.1, 50)
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}


def frame(request: Request, name: str = "here") -> tuple[bytes, bytes]:
    return frame_of(name, request)


def test_what_does_not_change_the_answer_is_not_in_the_key() -> None:
    for same in (
        Request("m", [], 0.1, 500),
        Request("m", [], 0.1, None, None, None, True),
        Request("m", [], 0.1, None, None, Parameters.of({"service_tier": "flex"})),
    ):
        assert frame(same) == frame(TEXT)
    modes = [Request("m", [], 0.1, 5, OutputSchema("a", SCHEMA, mode)) for mode in ("auto", "prompt")]
    assert frame(modes[0]) == frame(modes[1])


def test_what_changes_it_is() -> None:
    others = [
        Request("n", [], 0.1),
        Request("m", [], 0.2),
        Request("m", [], None),
        Request("m", [], 0.1, None, OutputSchema("a", SCHEMA)),
        Request("m", [], 0.1, None, None, Parameters.of({"seed": 1})),
        Request("m", [], 0.1, None, None, Parameters.of({"seed": True})),
    ]
    assert len({frame(TEXT), frame(TEXT, "there"), *map(frame, others)}) == 2 + len(others)
