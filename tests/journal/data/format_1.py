"""What the journals of format 1 in this folder were asked by: signatures, functions and agents.

They must stay as they are: their names and texts are part of the questions.
"""

import json
from typing import Any, Literal

from pydantic import BaseModel, Field

from kaizen_batch import Completion, InputField, OutputField, Provider, Signature, Usage


class Part(BaseModel):
    """A part of a ticket."""

    name: str = Field(max_length=20)
    weight: float | None = None


class Ticket(BaseModel):
    """Sort a ticket."""

    label: Literal["bug", "wish"]
    urgent: bool = False
    parts: list[Part] = []
    main: Part = Field(description="the one that matters")
    note: str | None = None


class Brief(Signature):
    """Sum up."""

    prompt: str = InputField("what to sum up")
    title: str = OutputField("a title")
    words: int = OutputField("how many words")


async def label(text: str, weight: Any) -> dict[str, Any]:
    return {"label": f"{text} {weight!r}"}


async def half(value: Any) -> str:
    return f"half of {value!r}"


for function in (label, half):
    function.__module__ = "format_1"


class TopK(Provider):
    """A provider with a body of its own."""

    def __init__(self, top_k: int) -> None:
        self._top_k = top_k

    @property
    def endpoint(self) -> str:
        return "format-1:top-k"

    def body(self, request: Any) -> bytes:
        inputs = [message["content"] for message in request.messages]
        return json.dumps({"inputs": inputs, "top_k": self._top_k, "temperature": request.temperature}).encode()

    async def complete(self, request: Any) -> Completion:
        return Completion(text=f"top {self._top_k} of {request.prompt}", usage=Usage(3, 2))


class BodyAgent:
    """An agent of the full protocol, whose body is no JSON."""

    name = "own"
    endpoint = "format-1:agent"

    def prepare(self, inputs: Any) -> Any:
        return inputs

    def body(self, request: Any) -> bytes:
        return f"<ask>{request}</ask>".encode()

    async def complete(self, request: Any) -> Completion:
        return Completion(text=f"answer to {request}")

    def parse(self, request: Any, completion: Completion) -> dict[str, Any]:
        return {"text": completion.text}
