"""The live page: the same report, over HTTP to this machine alone, while a run goes on."""

import os
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import SHUT_RDWR, socket
from threading import BoundedSemaphore, Lock, Thread, Timer
from typing import Any

from kaizen_batch.errors import JournalError
from kaizen_batch.journal import Journal
from kaizen_batch.report.facts import NO_DETAILS, read_details, read_facts
from kaizen_batch.report.page import render

_EVERY_S = 0.5
_SHARE = 10  # a look that took a second is good for ten, so that a journal of millions costs a tenth of a core
_PATIENCE_S = 0.5  # for the look at all requests; a journal of some ten thousand needs no more


class LivePage:
    """The page as it is now, read anew when it is asked for and the last one is old enough; for several threads.

    The look at all requests may take long; it is taken aside, and the page shows the last one there is.
    """

    def __init__(self, journal: str | os.PathLike[str], *, clock: Callable[[], float] = time.time) -> None:  # noqa: TID251
        # The clock is the wall's: the journal's times are Unix times.
        self._path = journal
        self._clock = clock
        self._lock = Lock()
        self._page = b""
        self._due = self._look_due = 0.0
        self._details = NO_DETAILS
        self._look: Thread | None = None

    def read(self) -> bytes:
        """The document. Raises: JournalError."""
        with self._lock:
            if (now := self._clock()) >= self._due:
                self._look_again(now)
                self._page = self._read(now)
                self._due = self._next(now)
            return self._page

    def _read(self, now: float) -> bytes:
        # One connection for all, and no transaction longer than a page of rows: the run can fold its -wal in.
        with Journal(self._path) as journal:
            facts = read_facts(journal, now, self._details)
        return render(facts, live=True).encode("utf-8", "backslashreplace")

    def _look_again(self, now: float) -> None:
        if now >= self._look_due and not (self._look and self._look.is_alive()):
            self._look = Thread(target=self._read_details, args=(now,), daemon=True)
            self._look.start()
            self._look.join(_PATIENCE_S)

    def _read_details(self, now: float) -> None:
        # The page itself meets the same error, and tells it.
        with suppress(JournalError), Journal(self._path) as journal:
            self._details = read_details(journal, now)
        self._look_due = self._next(now)

    def _next(self, since: float) -> float:
        return self._clock() + max(_EVERY_S, _SHARE * (self._clock() - since))


class ReportServer(ThreadingHTTPServer):
    """Serves one journal's live page on 127.0.0.1, to those who know its `url`.

    >>> with ReportServer("run.db") as server:
    ...     print(server.url)
    ...     server.serve_forever()

    The URL holds a random token, for a journal is private (mode 0600) and 127.0.0.1 is open to every user of the
    machine. Raises: JournalError, and OSError where the port is taken.
    """

    daemon_threads = True
    request_queue_size = 16
    patience_s: float = 10.0
    _most_clients = 32

    def handle_error(self, request: object, client_address: object) -> None:
        """socketserver: a client that broke off, or took too long, is no error of ours."""

    def __init__(self, journal: str | os.PathLike[str], *, port: int = 0) -> None:
        self.page: LivePage = LivePage(journal)
        self.page.read()  # a wrong path is told now, not to a browser
        self.path: str = f"/{secrets.token_urlsafe(16)}/"
        self._clients: BoundedSemaphore = BoundedSemaphore(self._most_clients)
        super().__init__(("127.0.0.1", port), _Handler)
        self.hosts: tuple[str, ...] = tuple(f"{name}:{self.server_port}" for name in ("127.0.0.1", "localhost"))

    def process_request(self, request: Any, client_address: Any) -> None:
        """socketserver: a connection; one above the most that are served at once is closed."""
        if not self._clients.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """socketserver: one client, in a thread; whoever takes longer than `patience_s` in all is dropped."""
        over = Timer(self.patience_s, _drop, (request,))
        over.daemon = True
        over.start()
        try:
            super().process_request_thread(request, client_address)
        finally:
            over.cancel()
            self._clients.release()

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self.server_port}{self.path}"


def serve_report(
    journal: str | os.PathLike[str], *, port: int = 0, on_started: Callable[[str], object] | None = None
) -> None:
    """Serve a journal's report, live, on 127.0.0.1 until Ctrl-C; the run that writes it is not disturbed.

    `port` 0 takes a free one. `on_started` is told the URL. Raises: JournalError, ConfigError without the extra
    `report`, OSError where the port is taken.
    """
    with ReportServer(journal, port=port) as server, suppress(KeyboardInterrupt):
        if on_started is not None:
            on_started(server.url)
        server.serve_forever()


def _drop(request: socket) -> None:
    # A limit for each read would not end a client that sends a byte now and then.
    with suppress(OSError):
        request.shutdown(SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    server: ReportServer

    def do_GET(self) -> None:
        """http.server: a request."""
        # A page elsewhere whose name was made to point here (DNS rebinding) names itself in this header.
        if self.headers.get("Host") not in self.server.hosts:
            self._answer(HTTPStatus.MISDIRECTED_REQUEST, b"this server is for 127.0.0.1 only\n")
        elif not secrets.compare_digest(self.path.encode(), self.server.path.encode()):
            self._answer(HTTPStatus.NOT_FOUND, b"there is nothing here: use the whole address that was printed\n")
        else:
            self._page()

    def _page(self) -> None:
        try:
            page = self.server.page.read()
        except JournalError as error:
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, f"{error.message}\n".encode())
        else:
            self._answer(HTTPStatus.OK, page, kind="text/html")

    def _answer(self, status: HTTPStatus, body: bytes, *, kind: str = "text/plain") -> None:
        with suppress(OSError):  # who went away, or is too slow to take it, needs no answer
            self.send_response(status)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.send_header("X-Content-Type-Options", "nosniff")
            self.send_header("X-Frame-Options", "DENY")
            self.send_header("Referrer-Policy", "no-referrer")
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """http.server: no line for each request."""
