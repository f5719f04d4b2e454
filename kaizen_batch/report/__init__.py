"""A run's report: one HTML file, made from its journal; and the same page, live."""

import os
import time
from pathlib import Path

from kaizen_batch.journal import Journal
from kaizen_batch.journal.files import real_path, replacing
from kaizen_batch.report.facts import read_facts
from kaizen_batch.report.page import render
from kaizen_batch.report.server import serve_report

__all__ = ["serve_report", "write_report"]


def write_report(journal: str | os.PathLike[str], output: str | os.PathLike[str]) -> Path:
    """Write what a journal has to tell as one HTML file that opens anywhere, offline; returns its path.

    >>> write_report("run.db", "report.html")

    It can be written while a run goes on, or after one was killed. It holds prompts and answers in clear text, so its
    mode is 0600, as the journal's. The file appears whole or not at all. Raises: JournalError, ConfigError without the
    extra `report`.
    """
    now = time.time()  # noqa: TID251 - the journal's times are Unix times
    target = real_path(output)
    with Journal(journal) as opened:
        page = render(read_facts(opened, now))
    with replacing(target) as new:
        new.write_bytes(page.encode("utf-8", "backslashreplace"))
    return target
