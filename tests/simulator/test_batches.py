"""Input files: what validation accepts and refuses."""

import json

import pytest

from kaizen_batch.simulator.batches import RefusedBatch, read_lines

_URL = "/v1/chat/completions"


def _line(name: str, model: str = "m") -> bytes:
    body = {"model": model, "messages": [{"role": "user", "content": "four tokens here"}]}
    return json.dumps({"custom_id": name, "method": "POST", "url": _URL, "body": body}).encode() + b"\n"


def test_the_tokens_of_all_prompts_are_counted() -> None:
    lines, tokens = read_lines(_line("a") + _line("b"), _URL)
    assert ([line["custom_id"] for line in lines], tokens) == (["a", "b"], 8)


@pytest.mark.parametrize(
    ("content", "code", "number"),
    [
        (b"", "invalid_request_count", None),
        (_line("a") + b"{\n", "invalid_json_line", 2),
        (_line("a") + b"[]\n", "invalid_json_line", 2),
        (_line("a") + _line("a"), "duplicate_custom_id", 2),
        (_line("a") + _line("b", "n"), "model_mismatch", None),
    ],
)
def test_what_is_refused_names_its_line(content: bytes, code: str, number: int | None) -> None:
    with pytest.raises(RefusedBatch) as caught:
        read_lines(content, _URL)
    assert (caught.value.code, caught.value.line) == (code, number)
