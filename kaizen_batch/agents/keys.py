"""The canonical form around the messages of a request: the same for all requests of a run, and so looked up."""

from functools import lru_cache

from kaizen_batch.journal.canonical import Frame, chat_frame
from kaizen_batch.providers import OutputSchema, Parameters, Request


def frame_of(endpoint_name: str, request: Request) -> Frame:
    """The frame of a request to a model."""
    output, parameters = request.output, request.parameters
    if output is None and parameters is None:  # quicker to look up
        return _frame_of_texts(endpoint_name, request.model, request.temperature)
    return _frame(endpoint_name, request.temperature, parameters, (request.model, output))


@lru_cache(maxsize=256)
def _frame(
    endpoint_name: str, temperature: float | None, more: Parameters | None, asked: tuple[str, OutputSchema | None]
) -> Frame:
    """The canonical form around the messages: the same for all requests of a run."""
    model, output = asked
    parameters: dict[str, object] = {} if temperature is None else {"temperature": temperature}
    if more is not None:
        parameters.update(more.values)
    return chat_frame(endpoint_name, model, parameters, None if output is None else (output.name, output.schema))


@lru_cache(maxsize=256)
def _frame_of_texts(endpoint_name: str, model: str, temperature: float | None) -> Frame:
    return _frame(endpoint_name, temperature, None, (model, None))
