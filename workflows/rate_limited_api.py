"""A rate-limited API: look up each shipment with your own function, at most five calls at once.

python -m kaizen_batch.workflows.rate_limited_api [--input shipments.csv] [--max-concurrent 5]

No model is called. The carrier's API is a small HTTP server on 127.0.0.1 that serves five requests at a time and
rejects a sixth with 429, as many real ones do.
"""

import asyncio
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import click

from kaizen_batch import BatchConfig, RetryPolicy, ThrottledError
from kaizen_batch.nodes import BatchProcessorAgent
from kaizen_batch.workflows.graph import (
    execute,
    file_options,
    fresh,
    prepared,
    report_run,
    workflow_of,
)

ALLOWED_AT_ONCE = 5
STATES = ("in transit", "at customs", "out for delivery", "delivered")


class Tracking:
    """The lookup as an agent: `run_async` takes the columns that it needs from a row, and returns new ones."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def run_async(self, tracking_number: str) -> dict[str, object]:
        """One HTTP call, in a thread because urllib blocks. A 429 is raised as ThrottledError: all workers pause."""
        try:
            return await asyncio.to_thread(self._get, tracking_number)
        except urllib.error.HTTPError as error:
            error.close()  # it holds the connection
            if error.code == 429:
                raise ThrottledError("the carrier is busy", status=429, retry_after_s=0.1) from error
            raise

    def _get(self, tracking_number: str) -> dict[str, object]:
        with urllib.request.urlopen(f"{self._url}/{tracking_number}", timeout=10) as response:
            answer: dict[str, object] = json.load(response)
        return answer


class Carrier(ThreadingHTTPServer):
    """A stand-in for the carrier's API, which counts its requests and rejects more than five at once."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _CarrierRequest)
        self.slots: threading.Semaphore = threading.Semaphore(ALLOWED_AT_ONCE)
        self.served = 0
        self.refused = 0


class _CarrierRequest(BaseHTTPRequestHandler):
    server: Carrier

    def do_GET(self) -> None:
        if not self.server.slots.acquire(blocking=False):
            self.server.refused += 1
            self._reply(429, {"error": "at most five requests at once"})
            return
        try:
            threading.Event().wait(0.01)
            number = self.path.rsplit("/", 1)[-1]
            state = STATES[sha256(number.encode()).digest()[0] % len(STATES)]
            self.server.served += 1
            answer = {"state": state, "checked": True}
        finally:
            self.server.slots.release()
        self._reply(200, answer)

    def _reply(self, status: int, body: dict[str, object]) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *args: object) -> None:
        """Log nothing: the terminal is for the workflow's own lines."""


@contextmanager
def carrier() -> Iterator[Carrier]:
    """The carrier's API, for the duration of the block."""
    with Carrier() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def tracking_agent(url: str, max_concurrent: int) -> BatchProcessorAgent:
    """The lookup with its limits, as a node."""
    config = BatchConfig(max_concurrent=max_concurrent, timeout_s=15, retry=RetryPolicy(wait_initial=0.05))
    return BatchProcessorAgent(config, provider=Tracking(url))


@click.command("rate-limited-api")
@click.option("--max-concurrent", default=ALLOWED_AT_ONCE, show_default=True, help="Calls in flight at once.")
@file_options("shipments.csv")
def main(max_concurrent: int, input_file: Path | None, output_folder: Path) -> None:
    """Look up the state of each shipment of a CSV file (column: tracking_number), five at a time."""
    source = prepared("shipments.csv", input_file, output_folder)
    target, failed = fresh(output_folder, "shipments_tracked.csv", "shipments_failed.csv")
    with carrier() as server:
        url = f"http://127.0.0.1:{server.server_port}/track"
        agent = tracking_agent(url, max_concurrent)
        outputs = execute(workflow_of(agent, source, target, failed))
        joined = outputs["join"]
        report_run(outputs["agent"], source, {target: joined["data"], failed: joined["failed_rows"]})
        click.echo(f"carrier  served {server.served}, refused {server.refused} with 429")


if __name__ == "__main__":
    main()
