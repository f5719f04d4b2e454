"""Transform records: every row gets checked fields."""

import json
from pathlib import Path

from tests.workflows.conftest import Run


def test_transform_records_adds_checked_fields(run: Run) -> None:
    result = run("transform-records")
    assert result.exit_code == 0, result.output
    cleaned = json.loads(Path("kaizen_batch_output/customers_clean.json").read_text(encoding="utf-8"))
    assert len(cleaned) == 120
    assert all(isinstance(row["wants_a_call"], bool) for row in cleaned)
