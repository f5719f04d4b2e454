"""What others say ends in memory only up to a bound: messages, codes, lines of files."""

from pathlib import Path
from typing import Any

import pytest

from kaizen_batch import BadRequestError, ParallelBatchStrategy, RecordError, open_records
from kaizen_batch.files import streams


async def test_the_message_of_a_function_has_a_bound() -> None:
    async def agent(item: int) -> dict[str, Any]:
        raise ValueError("x" * 10_000_000)

    [result] = await ParallelBatchStrategy(1).execute_batch(agent, [0])
    message = result["error"]["message"] if result["error"] else ""
    assert 1_000 < len(message) <= 10_000


async def test_codes_that_are_new_with_each_item_are_counted_together() -> None:
    async def agent(item: int) -> dict[str, Any]:
        raise BadRequestError("no", code=f"code_{item}" * 100)

    summary = (await ParallelBatchStrategy(10).run_batch(agent, range(500))).summary
    assert (len(summary.failures), summary.failures["other"]) == (101, 400)
    assert all(len(code) <= 200 for code in summary.failures)


@pytest.mark.parametrize(
    ("name", "start"), [("in.jsonl", '{"a": 1}\n{"a": "'), ("in.csv", "a,b\n1,2\n"), ("in.tsv", "a\tb\n1\t2\n")]
)
def test_a_line_without_end_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, start: str) -> None:
    monkeypatch.setattr(streams, "LONGEST_LINE", 300_000)
    (tmp_path / name).write_text(start + "x" * 1_000_000)
    seen = []
    with pytest.raises(RecordError, match="a line is longer than 300,000 characters"), open_records(
        tmp_path / name
    ) as records:  # fmt: skip
        seen += [dict(row) for row in records]


def test_a_long_line_within_the_bound_is_read(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"a": "' + "x" * 1_000_000 + '"}\n{"a": "y"}')
    with open_records(tmp_path / "in.jsonl") as records:
        assert [len(row["a"]) for row in records] == [1_000_000, 1]
