"""Whether the model that a server says has answered is the one that was asked for."""

import re
from functools import lru_cache

# "-2024-07-18", "-0613", "@20250219", "-v1.5": a version of the same model.
_is_version = re.compile(r"[-:@]v?\d[\d.\-]*").fullmatch


@lru_cache(maxsize=256)
def is_same_model(asked: str, answered: str) -> bool:
    """Whether two names mean one model, but for a provider's prefix and a version.

    >>> is_same_model("openai/gpt-4o-mini", "gpt-4o-mini-2024-07-18"), is_same_model("gpt-4", "gpt-4o")
    (True, False)
    """
    shorter, longer = sorted((_base(asked), _base(answered)), key=len)
    rest = longer.removeprefix(shorter)
    return not rest or (len(rest) + len(shorter) == len(longer) and _is_version(rest) is not None)


def _base(name: str) -> str:
    base = name.lower().rstrip("/").rpartition("/")[2]
    return base.removesuffix("latest").rstrip("-:@") if base.endswith(("-latest", ":latest")) else base
