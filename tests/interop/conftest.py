"""Real servers and middleboxes on 127.0.0.1, started for the tests of this folder.

`.ci/interop` installs them, from Debian's and PyPI's packages. Where one is missing, its tests are skipped, unless
REQUIRE_INTEROP is set.
"""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from kaizen_batch.simulator import Simulator

ROOT = Path(__file__).parents[2]
LLAMA, LITELLM = ROOT / ".venv-llama/bin/python", ROOT / ".venv-litellm/bin/litellm"
_STARTUP_S = 120


def found(program: str | Path) -> str:
    """The path of a program. Skips the test if it is not installed."""
    path = shutil.which(str(program)) or shutil.which(str(program), path="/usr/sbin")
    if path is None:
        message = f"{program} is not installed: run .ci/interop"
        if os.environ.get("REQUIRE_INTEROP"):
            pytest.fail(message)
        pytest.skip(message)
    return path


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def accepts(port: int) -> Callable[[], bool]:
    def ready() -> bool:
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return True
        return False

    return ready


def answers(url: str) -> Callable[[], bool]:
    def ready() -> bool:
        with suppress(URLError, OSError):
            urlopen(url, timeout=2).close()
            return True
        return False

    return ready


@contextmanager
def running(command: Sequence[str | Path], ready: Callable[[], bool], log: Path, **environment: str) -> Iterator[None]:
    """A server process, from the moment it is ready; terminated at the end."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env={**os.environ, **environment})
        try:
            end = time.monotonic() + _STARTUP_S
            while not ready():
                if process.poll() is not None or time.monotonic() > end:
                    pytest.fail(f"{command[0]} did not start:\n{log.read_text(errors='replace')[-2000:]}")
                time.sleep(0.1)
            yield
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture(scope="session")
def upstream() -> str:
    """Host and port of the simulator."""
    return f"127.0.0.1:{free_port()}"


@pytest.fixture
def simulator(upstream: str) -> Iterator[Simulator]:
    """The endpoint behind the middleboxes, with a ledger; each test has its own, on the same port."""
    with Simulator(port=int(upstream.partition(":")[2]), latency_s=0.005) as started:
        yield started


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of llama.cpp's server with two slots; its key is `sk-tiny`, its model `tiny`."""
    folder, port, python = tmp_path_factory.mktemp("llama"), free_port(), found(LLAMA)
    model = folder / "tiny.gguf"
    subprocess.run([python, ROOT / "tests/interop/tiny_model.py", model], check=True, timeout=60)
    command = [python, ROOT / "tests/interop/serve_llama.py", str(model), str(port), "2", "sk-tiny"]
    with running(command, answers(f"http://127.0.0.1:{port}/health"), folder / "log"):
        yield f"http://127.0.0.1:{port}/v1"


@pytest.fixture
def nginx(upstream: str, tmp_path: Path) -> Iterator[str]:
    """The base URL of nginx in front of the simulator, which closes connections after 20 requests."""
    port, program, config = free_port(), found("nginx"), tmp_path / "nginx.conf"
    temporary = "".join(
        f"{name}_temp_path {tmp_path}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    config.write_text(
        f"daemon off; master_process off; pid {tmp_path}/pid; error_log {tmp_path}/error.log;"
        f"events {{}} http {{ access_log off; {temporary} keepalive_requests 20; keepalive_timeout 1s;"
        f" upstream model {{ server {upstream}; keepalive 8; }}"
        f" server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://model; proxy_http_version 1.1;"
        ' proxy_set_header Connection ""; }'
        " location /down/ { proxy_pass http://127.0.0.1:1; } } }"
    )
    with running([program, "-c", config, "-p", tmp_path], accepts(port), tmp_path / "log"):
        yield f"http://127.0.0.1:{port}/v1"


@pytest.fixture
def haproxy(upstream: str, tmp_path: Path) -> Iterator[str]:
    """The base URL of HAProxy in front of the simulator, which closes idle connections after 100 ms."""
    port, program, config = free_port(), found("haproxy"), tmp_path / "haproxy.cfg"
    config.write_text(
        "defaults\n mode http\n timeout connect 5s\n timeout client 30s\n timeout server 30s\n"
        " timeout http-keep-alive 100ms\n"
        f"frontend all\n bind 127.0.0.1:{port}\n default_backend model\n"
        f"backend model\n server one {upstream}\n"
    )
    with running([program, "-db", "-f", config], accepts(port), tmp_path / "log"):
        yield f"http://127.0.0.1:{port}/v1"


@pytest.fixture
def tinyproxy(tmp_path: Path) -> Iterator[str]:
    """The URL of tinyproxy, a forward proxy that closes after each response without saying so."""
    port, program, config = free_port(), found("tinyproxy"), tmp_path / "tinyproxy.conf"
    config.write_text(
        f'Port {port}\nListen 127.0.0.1\nTimeout 30\nMaxClients 100\nAllow 127.0.0.1\nLogFile "{tmp_path}/proxy.log"\n'
    )
    with running([program, "-d", "-c", config], accepts(port), tmp_path / "log"):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="session")
def litellm(upstream: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of LiteLLM's proxy in front of the simulator; its key is `sk-tiny`, its one model `tiny`."""
    folder = tmp_path_factory.mktemp("litellm")
    port, program, config = free_port(), found(LITELLM), folder / "litellm.yaml"
    config.write_text(
        "model_list:\n  - model_name: tiny\n    litellm_params:\n      model: openai/tiny\n"
        f"      api_base: http://{upstream}/v1\n      api_key: sk-upstream\n"
        "litellm_settings:\n  num_retries: 0\n  telemetry: false\n"
        f"files_settings:\n  - custom_llm_provider: openai\n    api_base: http://{upstream}/v1\n"
        "    api_key: sk-upstream\n"
    )
    command = [program, "--config", config, "--host", "127.0.0.1", "--port", str(port), "--telemetry", "False"]
    with running(
        command,
        answers(f"http://127.0.0.1:{port}/health/liveliness"),
        folder / "log",
        LITELLM_MASTER_KEY="sk-tiny",
        LITELLM_LOCAL_MODEL_COST_MAP="True",
        OPENAI_API_KEY="sk-upstream",  # of batches, which LiteLLM sends to its provider as they are
        OPENAI_BASE_URL=f"http://{upstream}/v1",
        NO_PROXY="*",
    ):
        yield f"http://127.0.0.1:{port}/v1"
