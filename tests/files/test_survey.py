"""The survey counts and checks, and samples draw evenly."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from kaizen_batch import RecordError, open_records
from kaizen_batch.files.rows import Row
from kaizen_batch.files.survey import AsyncSizedRows, SizedRows, count_skipped, sampled, surveyed


@pytest.mark.parametrize("name", ["in.csv", "in.jsonl", "in.parquet", "in.arrow", "in.xlsx", "in.json"])
async def test_rows_and_columns_are_counted(write: Any, name: str) -> None:
    path = write(name, [{"a": str(n), "b": "x"} for n in range(2500)])
    for limit, total in ((None, 2500), (10, 10), (9999, 2500)):
        with open_records(path) as records:
            survey = await surveyed(records, limit=limit, used=("a",))
        assert (survey.total, survey.columns) == (total, ("a", "b"))


async def test_what_is_wrong_behind_the_limit_does_not_matter(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("a,b\n1,2\n3\n")
    with open_records(tmp_path / "in.csv") as records:
        assert (await surveyed(records, limit=1)).total == 1
    with pytest.raises(RecordError, match="row 2"), open_records(tmp_path / "in.csv") as records:
        await surveyed(records)


async def test_rows_that_will_not_be_asked_are_counted(write: Any) -> None:
    with open_records(write("in.csv", [{"a": "x"}, {"a": ""}, {"a": ""}])) as records:
        assert await count_skipped(records, records, lambda row: not row["a"]) == 2


async def test_every_row_has_the_same_chance() -> None:
    seen: Counter[int] = Counter()
    for seed in range(400):
        async for row in sampled((Row(n=n) for n in range(10)), 3, 10, seed):
            seen[row["n"]] += 1
    assert sum(seen.values()) == 1200 and all(70 <= count <= 175 for count in seen.values())


async def test_sizes_are_known() -> None:
    assert len(SizedRows(iter([Row()]), 1)) == 1

    async def rows() -> Any:
        yield Row(a=1)

    sized = AsyncSizedRows(rows(), 7)
    assert len(sized) == 7 and [row async for row in sized] == [{"a": 1}]
