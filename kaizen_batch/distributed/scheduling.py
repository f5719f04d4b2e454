"""Which shard a process is: given as `3/16`, or told by the scheduler that started it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from kaizen_batch.errors import ConfigError

_GIVEN = re.compile(r"(\d+)/(\d+)")


@dataclass(frozen=True, slots=True)
class Shard:
    """Shard `number`, from 1, of `count`."""

    number: int
    count: int


def shard_of(given: str, count: int | None, environment: Mapping[str, str]) -> Shard:
    """The shard that is meant: `"3/16"`, or `"auto"` for what Slurm, Kubernetes or AWS Batch says.

    `count` is the number of shards where the scheduler does not say it. Raises: ConfigError.
    """
    if given == "auto":
        return _checked(*_from_scheduler(count, environment), given)
    found = _GIVEN.fullmatch(given)
    if found is None:
        raise ConfigError(f"a shard is written 3/16 (the third of sixteen) or auto; given: {given!r}")
    if count is not None and count != int(found[2]):
        raise ConfigError(f"the shard {given} and shards={count} contradict each other: leave one out")
    return _checked(int(found[1]), int(found[2]), given)


def _from_scheduler(count: int | None, environment: Mapping[str, str]) -> tuple[int, int]:
    if "SLURM_ARRAY_TASK_ID" in environment:
        step = _whole(environment, "SLURM_ARRAY_TASK_STEP") or 1
        first = _whole(environment, "SLURM_ARRAY_TASK_MIN") or 0
        number = (_whole(environment, "SLURM_ARRAY_TASK_ID") or 0) - first
        return number // step + 1, _count("SLURM_ARRAY_TASK_COUNT", count, environment)
    for index, size in (("JOB_COMPLETION_INDEX", ""), ("AWS_BATCH_JOB_ARRAY_INDEX", "AWS_BATCH_JOB_ARRAY_SIZE")):
        if index in environment:
            return (_whole(environment, index) or 0) + 1, _count(size, count, environment)
    raise ConfigError(
        "shard auto found no scheduler: there is no SLURM_ARRAY_TASK_ID, JOB_COMPLETION_INDEX or "
        "AWS_BATCH_JOB_ARRAY_INDEX in the environment; give the shard as 3/16"
    )


def _count(name: str, given: int | None, environment: Mapping[str, str]) -> int:
    count = given or (_whole(environment, name) if name else None)
    if count is None:
        raise ConfigError("this scheduler does not say how many shards there are: give --shards N")
    return count


def _whole(environment: Mapping[str, str], name: str) -> int | None:
    text = environment.get(name)
    if text is None:
        return None
    if not text.isdecimal():
        raise ConfigError(f"{name} must be a whole number; the environment has {text!r}")
    return int(text)


def _checked(number: int, count: int, given: str) -> Shard:
    if not 1 <= number <= count:
        raise ConfigError(f"there is no shard {number} of {count}: they count from 1; given: {given!r}")
    return Shard(number, count)
