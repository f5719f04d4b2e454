"""The command simulator: its options, its output, its errors."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields

import pytest
from click.testing import CliRunner, Result

from kaizen_batch.simulator import Settings, Simulator
from kaizen_batch.simulator import __main__ as command
from kaizen_batch.simulator.__main__ import main

from .raw_http import ask_url


def test_every_setting_is_described_and_an_option_of_the_command() -> None:
    text = Settings.__doc__ or ""
    options = {option.name: option for option in main.params}
    for spec in fields(Settings):
        assert f"- `{spec.name}`: " in text
        assert getattr(options[spec.name], "help", None), spec.name


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--rate-429", "2"], "0<=x<=1"),
        (["--knee", "-1"], "x>=0"),
        (["--brownout", "2", "1", "1"], "must start before it ends"),
        (["--requests-per-minute", "1", "--window-s", "1"], "must be at least 60"),
    ],
)
def test_a_wrong_option_is_a_usage_error(arguments: list[str], words: str) -> None:
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 2
    assert words in done.output


def test_a_ledger_that_cannot_be_written_is_named() -> None:
    done = CliRunner().invoke(main, ["--ledger-path", "/nowhere/at/all"])
    assert done.exit_code == 1
    assert "/nowhere/at/all" in done.output


def test_the_command_prints_its_url_and_answers() -> None:
    command = [sys.executable, "-m", "kaizen_batch.simulator", "--port", "0", "--api-key", "sk-right"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            name, _, url = process.stdout.readline().strip().partition("=")
            assert name == "OPENAI_BASE_URL"
            assert ask_url(url, key="sk-right")["choices"][0]["message"]["content"] == "mock answer to: hello"
        finally:
            process.terminate()


def test_a_port_that_is_taken_is_one_clear_line() -> None:
    with Simulator() as simulator:
        port = simulator.base_url.rsplit(":", 1)[1].split("/")[0]
        command = [sys.executable, "-m", "kaizen_batch.simulator", "--port", port]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.startswith(f"Error: cannot listen on port {port}")


def listening(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[int, Result]:
    """The port on which the command listens before Ctrl-C, and what it says."""
    ports: list[int] = []

    async def serve(simulator: Simulator, on_started: Callable[[], None]) -> None:
        server = await asyncio.get_running_loop().create_server(asyncio.Protocol, "127.0.0.1", simulator._port)
        ports.append(server.sockets[0].getsockname()[1])
        server.close()
        raise KeyboardInterrupt

    monkeypatch.setattr(Simulator, "serve", serve)
    done = CliRunner().invoke(main, list(arguments))
    return ports[-1], done


def test_the_port_is_the_same_each_time_unless_it_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    monkeypatch.setattr(command, "PORT", port)
    assert [listening(monkeypatch)[0] for _ in range(2)] == [port, port]
    with socket.create_server(("127.0.0.1", port)):
        other, done = listening(monkeypatch)
        assert other not in (0, port)
        assert f"port {port} is taken: a free one is used instead" in done.stderr
    assert listening(monkeypatch, "--port", "0")[0] != port
    assert port == command.PORT and "8642" in str(main.params[0].help)
