"""Shared fixtures. The network is refused but for 127.0.0.1 (pytest-socket), and no key of the machine is used."""

import pytest

pytest_plugins = ["kaizen_batch.simulator.fixture"]


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
