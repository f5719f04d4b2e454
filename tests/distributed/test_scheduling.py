"""Which shard a process is, as Slurm, Kubernetes and AWS Batch say it."""

import pytest

from kaizen_batch import ConfigError
from kaizen_batch.distributed import Shard, shard_of

SLURM = {"SLURM_ARRAY_TASK_ID": "7", "SLURM_ARRAY_TASK_MIN": "5", "SLURM_ARRAY_TASK_COUNT": "4"}
KUBERNETES = {"JOB_COMPLETION_INDEX": "0"}
AWS = {"AWS_BATCH_JOB_ARRAY_INDEX": "15"}


@pytest.mark.parametrize(
    ("given", "count", "environment", "expected"),
    [
        ("3/16", None, {}, Shard(3, 16)),
        ("3/16", 16, {}, Shard(3, 16)),
        ("auto", None, SLURM, Shard(3, 4)),
        ("auto", None, {**SLURM, "SLURM_ARRAY_TASK_ID": "9", "SLURM_ARRAY_TASK_STEP": "2"}, Shard(3, 4)),
        ("auto", 8, KUBERNETES, Shard(1, 8)),
        ("auto", 16, AWS, Shard(16, 16)),
        ("auto", None, {**AWS, "AWS_BATCH_JOB_ARRAY_SIZE": "20"}, Shard(16, 20)),
    ],
)
def test_a_shard_is_told(given: str, count: int | None, environment: dict[str, str], expected: Shard) -> None:
    assert shard_of(given, count, environment) == expected


@pytest.mark.parametrize(
    ("given", "count", "environment", "message"),
    [
        ("0/4", None, {}, "they count from 1"),
        ("5/4", None, {}, "there is no shard 5 of 4"),
        ("3", None, {}, "a shard is written 3/16"),
        ("3/4", 5, {}, "contradict each other"),
        ("auto", None, {}, "found no scheduler"),
        ("auto", None, KUBERNETES, "give --shards N"),
        ("auto", 4, {"JOB_COMPLETION_INDEX": "x"}, "must be a whole number"),
        ("auto", 4, AWS, "there is no shard 16 of 4"),
    ],
)
def test_a_mistake_is_named(given: str, count: int | None, environment: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        shard_of(given, count, environment)
