"""The public names: complete, documented, and quick to import."""

import inspect
import subprocess
import sys

import pytest

import kaizen_batch
import kaizen_batch.nodes
import kaizen_batch.simulator
import kaizen_batch.strategies

PUBLIC = [getattr(kaizen_batch, name) for name in kaizen_batch.__all__]
CLASSES = [
    thing
    for thing in [*PUBLIC, *(getattr(kaizen_batch.simulator, name) for name in kaizen_batch.simulator.__all__)]
    if inspect.isclass(thing) and thing.__module__.startswith("kaizen_batch")
]


def test_all_lists_every_public_name() -> None:
    assert kaizen_batch.__all__ == sorted(kaizen_batch.__all__)
    here = {name for name, thing in vars(kaizen_batch).items() if _is_ours(name, thing)}
    assert here - set(kaizen_batch.__all__) == set()


def _is_ours(name: str, thing: object) -> bool:
    public = not name.startswith("_") and (inspect.isclass(thing) or inspect.isfunction(thing))
    return public and str(getattr(thing, "__module__", "")).startswith("kaizen_batch")


@pytest.mark.parametrize("thing", CLASSES, ids=lambda thing: thing.__name__)
def test_every_public_class_and_method_is_documented(thing: type) -> None:
    assert thing.__doc__ and thing.__doc__.strip()
    for name, member in vars(thing).items():
        if not name.startswith("_") and (inspect.isfunction(member) or isinstance(member, property)):
            assert inspect.getdoc(member), f"{thing.__name__}.{name}"


def test_importing_the_engine_loads_no_heavy_package() -> None:
    code = (
        "import sys, kaizen_batch; "
        "print([name for name in ('kailash', 'openai', 'aiohttp', 'httpx2', 'pyarrow') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = kaizen_batch.Nothing
