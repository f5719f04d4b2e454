"""TelemetrySink: the missing extra is named, and OpenTelemetry is imported only when it is used."""

import subprocess
import sys

import pytest

from kaizen_batch import (
    ConfigError,
    TelemetrySink,
)


def test_the_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "kaizen_batch.observers.telemetry.recording", raising=False)
    monkeypatch.delattr("kaizen_batch.observers.telemetry.recording", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(ConfigError, match=r"pip install 'kaizen-batch\[telemetry\]'"):
        TelemetrySink()


def test_the_engine_is_imported_without_opentelemetry_rich_or_ipython() -> None:
    code = (
        "import sys, kaizen_batch; kaizen_batch.TelemetrySink, kaizen_batch.progress_sink('lines'); "
        "print([name for name in ('opentelemetry', 'rich', 'IPython') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
