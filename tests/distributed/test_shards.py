"""Shards as processes: the proof of `python -m tests.distributed.shard_processes` in small."""

from pathlib import Path

from tests.distributed.shard_processes import faults_of


def test_a_killed_shard_resumes_and_the_output_is_that_of_one_process(tmp_path: Path) -> None:
    assert faults_of(tmp_path, 60, 3, [2]) == []
