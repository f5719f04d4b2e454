"""The checks of `doctor` that need no network, and the result of a check."""

import os
import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Literal

from kaizen_batch.config import BatchConfig
from kaizen_batch.results.texts.numbers import duration

_WRITES = 20
_SLOW_S = 0.05  # an answer counts only once it is on the disk: 50 ms per commit limits a slow run noticeably
_LEAST_FREE = 500_000_000  # bytes: 50,000 rows of 10 kB


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check; `fix` is empty where nothing is wrong."""

    name: str
    state: Literal["ok", "warn", "fail"]
    detail: str
    fix: str = ""

    def to_dict(self) -> dict[str, object]:
        """The same as a JSON-able dict; `said` and `mend` are the names of 0.1, to be removed in 0.3."""
        return {**asdict(self), "said": self.detail, "mend": self.fix}


def check_key(config: BatchConfig) -> Check:
    """Whether a key is set; only the endpoint can tell whether it is valid."""
    if config.api_key is not None:
        return Check("key", "ok", f"OPENAI_API_KEY is set ({len(config.api_key.get_secret_value())} characters)")
    if config.base_url is not None:
        return Check("key", "warn", "OPENAI_API_KEY is not set", "your own endpoint may need none; the call shows it")
    return Check("key", "fail", "OPENAI_API_KEY is not set", "export OPENAI_API_KEY=sk-... (a key of your account)")


def check_disk(journal: Path) -> Check:
    """Free space and speed of the disk where a journal would be."""
    folder = journal.absolute().parent
    try:
        free = shutil.disk_usage(folder).free
        seconds = _commit_s(folder)
    except OSError as error:
        return Check("disk", "fail", f"{folder}: {error.strerror}", "choose a journal in a writable folder")
    detail = f"{folder}: {free / 1e9:,.1f} GB free, {duration(seconds)} per commit"
    if free < _LEAST_FREE:
        return Check("disk", "warn", detail, "free some space, or choose a journal elsewhere")
    if seconds > _SLOW_S:
        return Check("disk", "warn", detail, "choose a journal on a local disk; network drives slow a run down")
    return Check("disk", "ok", detail)


def _commit_s(folder: Path) -> float:
    """Median seconds until a small write is on the disk."""
    taken = []
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".kaizen-batch-doctor.") as file:
        for _ in range(_WRITES):
            began = perf_counter()
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
            taken.append(perf_counter() - began)
    return median(taken)
