"""The live page: for this machine and for those who know its address, and no burden to the run."""

import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from kaizen_batch import BatchResult, Journal, JournalError
from kaizen_batch.report import serve_report
from kaizen_batch.report import server as live
from kaizen_batch.report.facts import Details
from kaizen_batch.report.server import LivePage, ReportServer


@pytest.fixture(scope="module")
def server(made: tuple[Path, list[BatchResult]]) -> Iterator[ReportServer]:
    with ReportServer(made[0]) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def get(server: ReportServer, path: str, host: str | None = None, method: str = "GET") -> tuple[int, str]:
    with closing(HTTPConnection("127.0.0.1", server.server_port, timeout=10)) as connection:
        connection.request(method, path, headers={"Host": host} if host else {})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def test_the_page_is_there_for_who_knows_its_address(server: ReportServer) -> None:
    assert server.url == f"http://127.0.0.1:{server.server_port}{server.path}"
    status, page = get(server, urlsplit(server.url).path)
    assert status == 200
    assert "tickets.csv" in page


@pytest.mark.parametrize("path", ["/", "/favicon.ico", "/../run.db", "/token/", "/%00/%C3%A9"])
def test_every_other_address_is_nothing(server: ReportServer, path: str) -> None:
    assert get(server, path)[0] == 404


@pytest.mark.parametrize("host", ["example.com", "example.com:{port}", "127.0.0.1", "127.0.0.1:1", "127.0.0.1:{port}."])
def test_a_foreign_host_is_refused(server: ReportServer, host: str) -> None:
    status, text = get(server, server.path, host=host.format(port=server.server_port))
    assert status == 421
    assert "tickets" not in text


def test_localhost_is_a_name_of_this_machine(server: ReportServer) -> None:
    assert get(server, server.path, host=f"localhost:{server.server_port}")[0] == 200


def test_it_only_reads(server: ReportServer) -> None:
    assert get(server, server.path, method="POST")[0] == 501


def test_it_listens_on_this_machine_alone(server: ReportServer) -> None:
    assert server.server_address[0] == "127.0.0.1"


def test_a_missing_journal_is_an_error_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="there is no journal at"):
        serve_report(tmp_path / "run.db")


async def test_a_journal_that_goes_away_is_an_error_and_may_come_back(tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    async with Journal(path).writing():
        pass
    now = [0.0]
    page = LivePage(path, clock=lambda: now[0])
    assert b"No run has started" in page.read()
    path.rename(tmp_path / "away.db")
    now[0] = 1.0
    with pytest.raises(JournalError, match="there is no journal at"):
        page.read()
    (tmp_path / "away.db").rename(path)
    assert b"No run has started" in page.read()


def test_a_page_that_took_long_is_kept_for_long(made: tuple[Path, list[BatchResult]]) -> None:
    now = [0.0]
    page = LivePage(made[0], clock=lambda: now[0])
    first = page.read()
    assert page.read() is first
    now[0] = 10.0
    assert page.read() is not first


SCRIPT = """
import signal, sys
from kaizen_batch.report import serve_report
# A shell starts its background jobs with SIGINT ignored, and the tests may be one.
signal.signal(signal.SIGINT, signal.default_int_handler)
serve_report(sys.argv[1], on_started=lambda url: print(url, flush=True))
print("over")
"""


def test_ctrl_c_ends_it(made: tuple[Path, list[BatchResult]]) -> None:
    command = [sys.executable, "-c", SCRIPT, str(made[0])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("http://127.0.0.1:")
            process.send_signal(signal.SIGINT)
            assert process.communicate(timeout=30) == ("over\n", "")
        finally:
            process.kill()
    assert process.returncode == 0


def test_of_a_big_journal_the_page_shows_what_is_there_while_it_is_read(
    made: tuple[Path, list[BatchResult]], monkeypatch: pytest.MonkeyPatch
) -> None:
    may_end = threading.Event()
    read = live.read_details

    def slow(journal: Journal, now: float) -> Details:
        may_end.wait(30)
        return read(journal, now)

    monkeypatch.setattr(live, "read_details", slow)
    monkeypatch.setattr(live, "_PATIENCE_S", 0.0)
    now = [0.0]
    page = LivePage(made[0], clock=lambda: now[0])
    first = page.read().decode()
    assert "Still reading." in first
    assert "finished" in first
    may_end.set()
    assert page._look is not None
    page._look.join()
    now[0] = 1.0
    assert "Still reading." not in page.read().decode()


async def test_a_look_in_its_middle_keeps_nobody_from_writing_or_folding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kaizen_batch.journal.journal._OUTLINES", 2)
    path = tmp_path / "run.db"
    async with Journal(path).writing() as writer:
        for item in range(9):
            await writer.begin(item.to_bytes(32, "big"), item=item, request="{}")
        with Journal(path) as journal:
            look = journal.outlines()
            assert next(look).item == 0
            await writer.begin((9).to_bytes(32, "big"), item=9, request="{}")
            with closing(sqlite3.connect(path)) as other:
                busy, *_ = other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            assert busy == 0
            assert [outline.item for outline in look] == list(range(1, 10))


def test_slow_clients_are_dropped_and_do_not_keep_others_out(made: tuple[Path, list[BatchResult]]) -> None:
    with ReportServer(made[0]) as server:
        server.patience_s = 0.5
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            slow = [socket.create_connection(("127.0.0.1", server.server_port)) for _ in range(40)]
            for each in slow:
                each.settimeout(10)
                with suppress(OSError):
                    each.sendall(b"GET / HTTP/1.0\r\nX: ")  # and a byte now and then
            for each in slow:
                with suppress(OSError):  # reset, or the end: it is dropped either way
                    while each.recv(1000):
                        pass
                each.close()
            assert get(server, server.path)[0] == 200
        finally:
            server.shutdown()
            thread.join()


def test_the_address_holds_a_token_that_cannot_be_guessed(
    server: ReportServer, made: tuple[Path, list[BatchResult]]
) -> None:
    with ReportServer(made[0]) as other:
        assert other.path != server.path and len(other.path) >= 22
