"""The results of a batch, and its summary."""

import json
from dataclasses import fields

from kaizen_batch.results import BatchResult, BatchSummary


def test_the_summary_is_json_with_all_its_fields() -> None:
    summary = BatchSummary(total=3, ok=1, failed=2, failures={"length": 2}, stopped="max_failures")
    plain = summary.to_dict()
    assert list(plain) == [field.name for field in fields(BatchSummary)]
    assert BatchSummary(**json.loads(json.dumps(plain))) == summary


def test_a_batch_result_separates_ok_and_failed_in_order() -> None:
    results = [{"index": i, "status": "ok" if i % 2 else "error"} for i in range(5)]
    batch = BatchResult(results, BatchSummary())
    assert [result["index"] for result in batch.ok] == [1, 3]
    assert [result["index"] for result in batch.failed] == [0, 2, 4]
