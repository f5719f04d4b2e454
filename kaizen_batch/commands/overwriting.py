"""No file of the user's is replaced by accident: an existing output must be one that this journal's runs wrote."""

import os
from pathlib import Path

from kaizen_batch.commands.settings import Options
from kaizen_batch.errors import ConfigError, JournalError
from kaizen_batch.files.names import is_stream, path_text
from kaizen_batch.journal import Journal


def check_overwriting(options: Options, journal: Path | None, *, overwrite: bool) -> None:
    """Raise ConfigError for an existing output that no run on the journal has written."""
    output = path_text(options["output"])
    if overwrite or is_stream(output) or not Path(output).is_file() or not Path(output).stat().st_size:
        return
    inputs = [options["input"]] if isinstance(options["input"], str) else options["input"]
    if any(os.path.realpath(output) == os.path.realpath(path_text(name)) for name in inputs):
        return  # the job itself rejects that
    if os.path.realpath(output) not in _written(journal):
        known = "there is no journal" if journal is None else f"no run in {str(journal)!r} wrote it"
        raise ConfigError(f"{output!r} exists, and {known}: give --overwrite to replace it, or another --output")


def _written(journal: Path | None) -> set[str]:
    """The outputs of the runs on a journal."""
    if journal is None or not journal.is_file():
        return set()
    try:
        labels = [run.description.get("config", {}).get("labels", {}) for run in Journal(journal).runs()]
    except JournalError as error:
        if error.code == "journal_incomplete":
            raise  # with what it says, the run can go on
        return set()  # the run itself says what is wrong with it
    return {
        os.path.realpath(Path(each.get("folder", ".")) / path_text(each["output"]))
        for each in labels
        if "output" in each
    }
