"""Checks of `doctor` that need no network, and what a check is."""

import os
import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, Literal

from kaizen_batch.config import BatchConfig

_WRITES = 20
_SLOW_S = 0.05  # a row's answer is told only when it is on the disk: 50 ms a commit is felt from 20 rows/s on
_LEAST_FREE = 500_000_000  # bytes: 50,000 rows of 10 kB


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at; `mend` is empty where nothing is wrong."""

    name: str
    state: Literal["ok", "warn", "fail"]
    said: str
    mend: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The same as a JSON-able dict."""
        return asdict(self)


def check_key(config: BatchConfig) -> Check:
    """Whether there is a key; whether it is accepted only the endpoint can say."""
    if config.api_key is not None:
        return Check("key", "ok", f"OPENAI_API_KEY is set ({len(config.api_key.get_secret_value())} characters)")
    if config.base_url is not None:
        return Check("key", "warn", "OPENAI_API_KEY is not set", "set it, unless your own endpoint wants none")
    return Check("key", "fail", "OPENAI_API_KEY is not set", "export OPENAI_API_KEY=sk-..., from your account's page")


def check_disk(journal: Path) -> Check:
    """The room and the speed where a journal would be."""
    folder = journal.absolute().parent
    try:
        free = shutil.disk_usage(folder).free
        seconds = _commit_s(folder)
    except OSError as error:
        return Check("disk", "fail", f"{folder}: {error.strerror}", "name a journal in a folder that you may write to")
    said = f"{folder}: {free / 1e9:,.1f} GB free, {seconds * 1e3:.1f} ms a commit"
    if free < _LEAST_FREE:
        return Check("disk", "warn", said, "free some space, or name a journal elsewhere")
    if seconds > _SLOW_S:
        return Check("disk", "warn", said, "name a journal on a local disk; network drives slow a run down")
    return Check("disk", "ok", said)


def _commit_s(folder: Path) -> float:
    """Seconds until a small write is on the disk, in the median."""
    taken = []
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".kaizen-batch-doctor.") as file:
        for _ in range(_WRITES):
            began = perf_counter()
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
            taken.append(perf_counter() - began)
    return median(taken)
