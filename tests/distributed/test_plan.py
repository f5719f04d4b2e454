"""The plan of a job in shards: ranges that cover every row once, places that are right, versions that are checked."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kaizen_batch import BatchConfig, ConfigError, FileJob
from kaizen_batch.agents import create_agent
from kaizen_batch.distributed.plan import Plan, decoded, make_plan, places_of
from kaizen_batch.files.job_rows import in_range, open_input
from kaizen_batch.files.writer import record_writer

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)


def plan_of(job: FileJob, shards: int) -> Plan:
    return asyncio.run(make_plan(job, create_agent(BatchConfig(llm_provider="mock")), shards))


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "psv"])
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(TEXT, min_size=1, max_size=15), st.integers(1, 6))
def test_a_place_is_where_the_row_begins(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, texts: list[str], shards: int
) -> None:
    path = tmp_path_factory.mktemp("plan") / f"in.{suffix}"
    with record_writer(path) as writer:
        for number, text in enumerate(texts):
            writer.write({"n": str(number), "text": text})
    job = FileJob(path, "out.csv")
    bounds = tuple(len(texts) * number // shards for number in range(shards + 1))
    with open_input(job) as records:
        every = [dict(row) for row in records]
    for place, start, stop in zip(places_of(job, bounds), bounds, bounds[1:], strict=False):
        with open_input(FileJob(path, "out.csv", rows=(start, stop))) as records:
            records.place = None if place is None or not start else (start, place)
            found = [dict(row) for row in in_range(FileJob(path, "out.csv", rows=(start, stop)), records)]
        assert found == every[start:stop]


def test_places_are_known_for_plain_text_only(tmp_path: Path) -> None:
    for name, known in [("a.csv", True), ("a.jsonl", True), ("a.csv.gz", False), ("a.json", False)]:
        with record_writer(tmp_path / name) as writer:
            for number in range(10):
                writer.write({"n": str(number)})
        places = plan_of(FileJob(tmp_path / name, "out.csv", template="{n}"), 2).places
        assert (places[1] is not None) is known, name
    (tmp_path / "r.csv").write_bytes(b"n\r1\r2\r3\r4\r")
    assert plan_of(FileJob(tmp_path / "r.csv", "out.csv", template="{n}"), 2).places == (None, None)
    (tmp_path / "b.jsonl").write_text('{"n": 1}\n\n \n{"n": 2}\n')
    assert plan_of(FileJob(tmp_path / "b.jsonl", "out.csv", template="{n}"), 2).bounds == (0, 1, 2)


def test_a_plan_survives_and_a_newer_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("n\n1\n2\n3\n")
    plan = plan_of(FileJob(tmp_path / "a.csv", "out.csv", template="{n}"), 2)
    assert decoded(plan.encoded(), "x") == plan
    assert (plan.total, plan.rows_of(1), plan.rows_of(2)) == (3, (0, 1), (1, 3))
    with pytest.raises(ConfigError, match="has version 9"):
        decoded(plan.encoded().replace(b'"version": 1', b'"version": 9'), "x")
    with pytest.raises(ConfigError, match="cannot be read"):
        decoded(b"{", "x")


def test_more_shards_than_rows_leave_some_empty(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("n\n1\n2\n")
    assert plan_of(FileJob(tmp_path / "a.csv", "out.csv", template="{n}"), 4).bounds == (0, 0, 1, 1, 2)
