"""Rows for the commands, and CSV files of them."""

import csv
from pathlib import Path

ROWS = [{"id": str(number), "text": f"ticket {number}, in\ntwo lines"} for number in range(20)]


def write_csv(path: Path, rows: list[dict[str, str]]) -> Path:
    """Write rows to a file."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def read_csv(name: str) -> list[dict[str, str]]:
    """The rows of a file."""
    with Path(name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
