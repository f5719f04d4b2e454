"""The answer to a call, and its bytes on the wire."""

import json
from dataclasses import dataclass
from hashlib import sha256
from http import HTTPStatus
from typing import Any, Literal, NamedTuple

from kaizen_batch.providers.canned import CHARACTERS_PER_TOKEN, canned_answer, count_tokens
from kaizen_batch.signature.messages import text_of
from kaizen_batch.simulator.settings import Reply, Settings
from kaizen_batch.simulator.structured import schema_asked

_PHRASES = {status.value: status.phrase for status in HTTPStatus}
_NO_PARAMETERS = ("model", "messages", "response_format", "stream")
_JSON = b"application/json"
_HTML = b"<html><head><title>502 Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>"
_THOUGHT = 'The user wants JSON, perhaps {"label": {nothing}}. Let me think {about it}.'
_PLAIN = Settings()
GATEWAY_PAGE = Reply(502, _HTML.decode(), {"content-type": "text/html"})


@dataclass(slots=True, eq=False)
class Call:
    """One call: the request, when it arrived, and the answer it will get."""

    body: dict[str, object]
    at: float
    prompt_sha256: str
    model: str
    text: str
    prompt_tokens: int
    output_tokens: int
    thinks: bool = False
    images: int = 0
    files: int = 0
    fault: str = ""
    charged: int = 0
    finish_reason: str = "stop"

    @property
    def tokens(self) -> int:
        """Prompt and output tokens together."""
        return self.prompt_tokens + self.output_tokens

    @property
    def parameters(self) -> dict[str, object]:
        """The fields of the request besides the model, the messages and the schema."""
        return {name: value for name, value in self.body.items() if name not in _NO_PARAMETERS}

    @property
    def id(self) -> str:
        """The same for the same prompt."""
        return f"chatcmpl-{self.prompt_sha256[:16]}"


class RawResponse(NamedTuple):
    """The bytes to write, and what happens to the connection `then`."""

    data: bytes = b""
    then: Literal["keep", "close", "abort", "hang"] = "keep"


def read_call(raw: bytes, at: float, settings: Settings = _PLAIN) -> Call:
    """Read a request's body. Raises: ValueError, TypeError, KeyError, ... for a body that is not a chat request."""
    body = json.loads(raw)
    messages = body["messages"]
    prompt, images, files = messages[-1]["content"], 0, 0
    if not all(type(message["content"]) is str for message in messages):
        kinds = [part["type"] for message in messages for part in _parts(message["content"])]
        images, files = kinds.count("image_url"), kinds.count("file")
        prompt = prompt if type(prompt) is str else json.dumps(prompt)
        messages = [{**message, "content": text_of(message["content"])} for message in messages]
    text = canned_answer(messages, schema_asked(body, settings.structured))
    if settings.think == "inline":
        text = f"<think>\n{_THOUGHT}\n</think>\n\n{text}"
    text, finish_reason = _within_limit(text, body)
    asked = sum(count_tokens(message["content"]) for message in messages) + 85 * images + 258 * files
    digest = sha256(prompt.encode("utf-8", "surrogatepass")).hexdigest()
    return Call(
        body,
        at,
        digest,
        str(body.get("model")),
        text,
        asked,
        count_tokens(text),
        settings.think == "field",
        images,
        files,
        finish_reason=finish_reason,
    )


def _within_limit(text: str, body: dict[str, Any]) -> tuple[str, str]:
    """The text as far as the request's limit lets it, JSON included, and why it ends there."""
    most = body.get("max_completion_tokens") or body.get("max_tokens")
    if not isinstance(most, int) or count_tokens(text) <= most:
        return text, "stop"
    return text[: CHARACTERS_PER_TOKEN * most], "length"


def _parts(content: Any) -> list[dict[str, Any]]:
    if content is not None and not isinstance(content, str | list):
        raise TypeError(f"content is a string or a list of parts, not {type(content).__name__}")
    return content if isinstance(content, list) else []


def answer(call: Call, other_id: str, headers: bytes = b"") -> RawResponse:
    """The answer to a billed call, altered by the call's fault if it has one; `headers` are formatted lines."""
    if call.fault == "torn":
        return RawResponse(then="abort")
    if call.fault == "hang":
        return RawResponse(then="hang")
    if call.fault == "not_json":
        return RawResponse(to_bytes(200, _HTML, b"text/html", headers))
    body = completion_bytes(call, other_id if call.fault == "duplicate_id" else call.id)
    if call.fault == "bad_json":
        return RawResponse(to_bytes(200, body[: len(body) // 2], _JSON, headers))
    whole = to_bytes(200, body, b"text/plain" if call.fault == "wrong_type" else _JSON, headers)
    return RawResponse(whole[: -(len(body) // 2)], "close") if call.fault == "truncated" else RawResponse(whole)


def completion_bytes(call: Call, answer_id: str = "") -> bytes:
    """The body of the answer to a call, by default with the call's own id."""
    # Formatted by hand: four times as fast as json.dumps, and this is the server's hot path.
    usage = "" if call.fault == "no_usage" else _usage(call)
    thought = f', "reasoning_content": {json.dumps(_THOUGHT)}' if call.thinks else ""
    text = (
        f'{{"id": "{answer_id or call.id}", "object": "chat.completion", "created": 0, "model": '
        f'{json.dumps(call.body.get("model"))}, "choices": [{{"index": 0, "finish_reason": "{call.finish_reason}", '
        f'"message": {{"role": "assistant", "content": {json.dumps(call.text)}{thought}}}}}]{usage}}}'
    )
    return text.encode("ascii")


def _usage(call: Call) -> str:
    return (
        f', "usage": {{"prompt_tokens": {call.prompt_tokens}, "completion_tokens": {call.output_tokens}, '
        f'"total_tokens": {call.tokens}}}'
    )


def to_bytes(status: int, body: bytes, content_type: bytes = _JSON, headers: bytes = b"") -> bytes:
    """A complete HTTP response; `headers` are formatted lines."""
    phrase = _PHRASES.get(status, "Unknown").encode()
    return b"HTTP/1.1 %d %b\r\ncontent-type: %b\r\ncontent-length: %d\r\n%b\r\n%b" % (
        status,
        phrase,
        content_type,
        len(body),
        headers,
        body,
    )


def header_lines(headers: dict[str, str]) -> bytes:
    """Headers as lines of HTTP."""
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode("latin-1")


def reply_bytes(reply: Reply, headers: dict[str, str] | None = None) -> bytes:
    """A Reply as bytes; its own headers override the others."""
    all_headers = {**(headers or {}), **{name.lower(): value for name, value in reply.headers.items()}}
    is_text = isinstance(reply.body, str)
    kind = all_headers.pop("content-type", "text/plain; charset=utf-8" if is_text else "application/json")
    body = reply.body if is_text else json.dumps(reply.body)
    return to_bytes(reply.status, body.encode("utf-8", "surrogatepass"), kind.encode(), header_lines(all_headers))
