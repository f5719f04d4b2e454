"""Agent nodes in pickles: how a worker process makes one again. A pickle holds no secret."""

import os
import pickle
from collections.abc import Callable, Mapping

from kaizen_batch.config import BatchConfig
from kaizen_batch.config.messages import REDACTED
from kaizen_batch.config.requests import stored_headers
from kaizen_batch.nodes.kailash_types import NodeData

Recipe = tuple[Callable[..., object], tuple[type, NodeData]]


def recipe(kind: type, config: BatchConfig, options: Mapping[str, object], objects: Mapping[str, object]) -> Recipe:
    """What pickle keeps of a node: its class and its options.

    Raises: PicklingError for a key or a header that was given literally.
    """
    key = config.api_key.get_secret_value() if config.api_key else None
    if "api_key" in config.model_fields_set and key is not None and key != os.environ.get("OPENAI_API_KEY"):
        raise pickle.PicklingError(
            "the api_key of the agent is not pickled: leave it out, and set the environment variable OPENAI_API_KEY "
            "here and where the agent is loaded"
        )
    for name, text in stored_headers(config.headers).items():
        if text == REDACTED:
            raise pickle.PicklingError(
                f"the header {name!r} of the agent is not pickled: name an environment variable that has it, "
                f'headers={{{name!r}: "${{NAME}}"}}'
            )
    given = {name: value for name, value in {**options, **objects}.items() if value is not None or name in options}
    return made_again, (kind, given)


def made_again(kind: type, options: NodeData) -> object:
    """The node that was pickled."""
    return kind(**options)
