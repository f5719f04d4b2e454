"""What servers and middleboxes send, byte for byte: the cases of the torture suite.

Each case is a script for the connections of a server, and what two calls, one after the other, must come to. A step is
bytes to send, or one of CLOSE, RESET, HALF_CLOSE, HANG, or a number of seconds to wait. `{echo}` is the answer to the
prompt of the call, so that an answer that reaches the wrong question shows.
"""

import gzip
import json
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import brotli
import zstandard

WAYS = ("tcp", "tls", "proxy", "tunnel")
PLAIN = ("tcp", "proxy")  # TLS has no half close
CLOSE, RESET, HALF_CLOSE, HANG = "close", "reset", "half close", "hang"
Step = bytes | str | float
LIMIT = 100_000  # bytes of a response, in the suite

OK = "ok"
TORN = "NoAnswerError connection billed"
UNSENT = "NoAnswerError connection"
LATE = "NoAnswerError timeout billed"
BAD = "ServerError bad_response billed"
TOO_LARGE = "BadRequestError response_too_large billed"


def chat(prompt: str) -> bytes:
    message = {"role": "assistant", "content": f"echo {prompt}"}
    return json.dumps({"choices": [{"message": message, "finish_reason": "stop"}], "model": "m"}).encode()


def http(body: bytes, head: str = "", status: str = "200 OK", version: str = "1.1") -> bytes:
    return f"HTTP/{version} {status}\r\nContent-Length: {len(body)}\r\n{head}\r\n".encode() + body


def raw(head: str, body: bytes = b"") -> bytes:
    return head.replace("\n", "\r\n").encode("latin-1") + body


def chunked(
    body: bytes, size: int = 20, *, end: bytes = b"0\r\n\r\n", line: str = "{:x}\r\n", crlf: bytes = b"\r\n"
) -> bytes:
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(line.format(len(piece)).encode() + piece + crlf for piece in pieces) + end


TE = "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n"


@dataclass(frozen=True)
class Case:
    """`steps(prompt, n)` is what the n-th request (from 1) is answered with; `ends` what the two calls come to.

    `ways` are those over which a server can do it; `theirs` is what the SDK makes of it where that differs, and `why`
    says why ours is right.
    """

    name: str
    steps: Callable[[str, int], Iterable[Step]]
    ends: tuple[str, str] = (OK, OK)
    ways: tuple[str, ...] = WAYS
    theirs: tuple[str, str] | None = None
    why: str = ""
    timeout_s: float = 10.0
    requests: int | None = None  # that the server must have read


def always(make: Callable[[bytes], bytes], *after: Step) -> Callable[[str, int], Iterable[Step]]:
    return lambda prompt, n: (make(chat(prompt)), *after)


def fixed(*steps: Step) -> Callable[[str, int], Iterable[Step]]:
    return lambda prompt, n: steps


def first_then_good(*steps: Step) -> Callable[[str, int], Iterable[Step]]:
    return lambda prompt, n: steps if n == 1 else (http(chat(prompt)),)


def framing() -> list[Case]:
    heads: dict[str, Callable[[bytes], bytes]] = {
        "plain": lambda b: http(b),
        "no reason phrase": lambda b: http(b, status="200"),
        "empty reason phrase": lambda b: http(b, status="200 "),
        "reason phrase in latin-1": lambda b: raw(f"HTTP/1.1 200 ça va\nContent-Length: {len(b)}\n\n", b),
        "lower-case names": lambda b: raw(f"HTTP/1.1 200 OK\ncontent-length: {len(b)}\n\n", b),
        "upper-case names": lambda b: raw(f"HTTP/1.1 200 OK\nCONTENT-LENGTH: {len(b)}\n\n", b),
        "no space after the colon": lambda b: raw(f"HTTP/1.1 200 OK\nContent-Length:{len(b)}\n\n", b),
        "spaces around a value": lambda b: raw(f"HTTP/1.1 200 OK\nContent-Length: \t {len(b)} \t\n\n", b),
        "leading zeros in the length": lambda b: raw(f"HTTP/1.1 200 OK\nContent-Length: 000{len(b)}\n\n", b),
        "an empty header": lambda b: http(b, "X-Empty:\r\n"),
        "a header of 20 kB": lambda b: http(b, f"X-Long: {'y' * 20_000}\r\n"),
        "100 headers": lambda b: http(b, "".join(f"X-{n}: {n}\r\n" for n in range(100))),
        "a header in UTF-8": lambda b: raw(f"HTTP/1.1 200 OK\nContent-Length: {len(b)}\nX: \xc3\xa9\n\n", b),
        "a header with a quoted string": lambda b: http(b, 'X: "a, b; c"\r\n'),
        "Set-Cookie": lambda b: http(b, "Set-Cookie: a=b; Path=/\r\nSet-Cookie: c=d\r\n"),
        "a folded header": lambda b: http(b, "X-Folded: a\r\n  b\r\n\tc\r\n"),
        "a folded header before the length": lambda b: raw(
            f"HTTP/1.1 200 OK\nX: a\n b: c\nContent-Length: {len(b)}\n\n", b
        ),
        "bare LF": lambda b: f"HTTP/1.1 200 OK\nContent-Length: {len(b)}\n\n".encode() + b,
        "bare LF, CRLF in the body": lambda b: (
            f"HTTP/1.1 200 OK\nContent-Length: {len(b) + 4}\n\n".encode() + b"\r\n\r\n" + b
        ),
        "mixed line ends": lambda b: f"HTTP/1.1 200 OK\r\nX: a\nContent-Length: {len(b)}\r\n\n".encode() + b,
        "the length twice, the same": lambda b: http(b, f"Content-Length: {len(b)}\r\n"),
        "the length as a list": lambda b: raw(f"HTTP/1.1 200 OK\nContent-Length: {len(b)}, {len(b)}\n\n", b),
        "chunked over a wrong length": lambda b: raw(
            "HTTP/1.1 200 OK\nContent-Length: 5\nTransfer-Encoding: chunked\n\n", chunked(b)
        ),
        "a length before chunked": lambda b: raw(
            "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\nContent-Length: 9999\n\n", chunked(b)
        ),
        "Transfer-Encoding: identity": lambda b: http(b, "Transfer-Encoding: identity\r\n"),
        "an empty line before the response": lambda b: b"\r\n" + http(b),
        "HTTP/1.0 with a length": lambda b: http(b, version="1.0"),
        "HTTP/1.0 kept alive": lambda b: http(b, "Connection: keep-alive\r\n", version="1.0"),
        "201": lambda b: http(b, status="201 Created"),
        "no content type": lambda b: http(b),
        "the wrong content type": lambda b: http(b, "Content-Type: text/html\r\n"),
        "early hints": lambda b: b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + http(b),
        "100 Continue": lambda b: b"HTTP/1.1 100 Continue\r\n\r\n" + http(b),
        "102 twice": lambda b: b"HTTP/1.1 102 Processing\r\n\r\n" * 2 + http(b),
    }
    theirs = {
        "bare LF, CRLF in the body": (TORN, TORN),
        "the length twice, the same": (OK, OK),
        "Transfer-Encoding: identity": (TORN, TORN),
        "an empty line before the response": (TORN, TORN),
    }
    cases = [Case(name, always(make), theirs=theirs.get(name), why=_LENIENT) for name, make in heads.items()]
    closing: dict[str, Callable[[bytes], bytes]] = {
        "Connection: close": lambda b: http(b, "Connection: close\r\n"),
        "Connection: Close, in a list": lambda b: http(b, "Connection: x, Close\r\n"),
        "until the close": lambda b: b"HTTP/1.1 200 OK\r\n\r\n" + b,
        "until the close, HTTP/1.0": lambda b: b"HTTP/1.0 200 OK\r\n\r\n" + b,
        "a transfer coding that is not chunked": lambda b: raw("HTTP/1.1 200 OK\nTransfer-Encoding: x\n\n", b),
    }
    unread = {"a transfer coding that is not chunked": (TORN, TORN)}
    for name, make in closing.items():
        cases.append(Case(name, always(make, CLOSE), unread.get(name, (OK, OK))))
    return cases


_LENIENT = "RFC 9112 lets a client accept it, and servers send it"


def broken_framing() -> list[Case]:
    broken: dict[str, tuple[bytes, str]] = {
        "no HTTP": (b"hello\r\n\r\n", TORN),
        "HTTP/0.9": (b"{}", TORN),
        "HTTP/2's preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", TORN),
        "a TLS alert": (b"\x15\x03\x01\x00\x02\x02\x46", TORN),
        "an SSH server": (b"SSH-2.0-OpenSSH_9\r\n", TORN),
        "a status of two digits": (b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n", TORN),
        "a status in words": (b"HTTP/1.1 OK\r\nContent-Length: 0\r\n\r\n", TORN),
        "HTTP/3.0": (b"HTTP/3.0 200 OK\r\nContent-Length: 0\r\n\r\n", TORN),
        "cut in the status line": (b"HTTP/1.1 2", TORN),
        "cut in the header": (b"HTTP/1.1 200 OK\r\nContent-Le", TORN),
        "cut after the header": (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n", TORN),
        "cut in the body": (http(chat("one"))[:-10], TORN),
        "two lengths": (raw("HTTP/1.1 200 OK\nContent-Length: 5\nContent-Length: 6\n\n", b"123456"), TORN),
        "a negative length": (raw("HTTP/1.1 200 OK\nContent-Length: -5\n\n", b"12345"), TORN),
        "a length in words": (raw("HTTP/1.1 200 OK\nContent-Length: five\n\n", b"12345"), TORN),
        "a length with a sign": (raw("HTTP/1.1 200 OK\nContent-Length: +5\n\n", b"12345"), TORN),
        "a length of 30 digits": (raw(f"HTTP/1.1 200 OK\nContent-Length: {'9' * 30}\n\n", b"12345"), TORN),
        "switching protocols": (raw("HTTP/1.1 101 X\nUpgrade: websocket\nConnection: upgrade\n\n"), TORN),
        "an empty body": (http(b""), BAD),
        "204": (raw("HTTP/1.1 204 No Content\n\n"), BAD),
        "nothing": (b"", TORN),
    }
    theirs = {"HTTP/3.0": _pair(BAD)}
    return [
        Case(
            f"broken: {name}", first_then_good(data, CLOSE), (end, OK), theirs=theirs.get(name), why="it is not HTTP/1"
        )
        for name, (data, end) in broken.items()
    ]


def chunks() -> list[Case]:
    good: dict[str, Callable[[bytes], bytes]] = {
        "chunked": lambda b: raw(TE, chunked(b)),
        "one chunk": lambda b: raw(TE, chunked(b, 10_000)),
        "chunks of one byte": lambda b: raw(TE, chunked(b, 1)),
        "Chunked": lambda b: raw(TE.replace("chunked", "Chunked"), chunked(b)),
        "sizes in capitals": lambda b: raw(TE, chunked(b, 30, line="{:X}\r\n")),
        "leading zeros in a size": lambda b: raw(TE, chunked(b, line="0000{:x}\r\n")),
        "chunk extensions": lambda b: raw(TE, chunked(b, line='{:x};a=b;c="d"\r\n')),
        "a space after a size": lambda b: raw(TE, chunked(b, line="{:x} \r\n")),
        "bare LF between chunks": lambda b: raw(TE, chunked(b, line="{:x}\n", crlf=b"\n", end=b"0\n\n")),
        "trailers": lambda b: raw(TE, chunked(b, end=b"0\r\nX-Sum: 1\r\nX-Other: 2\r\n\r\n")),
        "a trailer with a length": lambda b: raw(TE, chunked(b, end=b"0\r\nContent-Length: 3\r\n\r\n")),
        "a trailer with a coding": lambda b: raw(TE, chunked(b, end=b"0\r\nContent-Encoding: gzip\r\n\r\n")),
        "a trailer that closes": lambda b: raw(TE, chunked(b, end=b"0\r\nConnection: close\r\n\r\n")),
        "a folded trailer": lambda b: raw(TE, chunked(b, end=b"0\r\nX: a\r\n b\r\n\r\n")),
    }
    theirs = {"bare LF between chunks": (LATE, LATE)}
    cases = [
        Case(name, always(make), theirs=theirs.get(name), why=_LENIENT, timeout_s=1.0 if name in theirs else 10.0)
        for name, make in good.items()
    ]
    broken: dict[str, bytes] = {
        "a size that is not a number": b"xyz\r\nabc\r\n0\r\n\r\n",
        "a negative size": b"-3\r\nabc\r\n0\r\n\r\n",
        "a chunk that is longer than its size": b"3\r\nabcdef\r\n0\r\n\r\n",
        "a size of 20 digits": b"f" * 20 + b"\r\nabc\r\n",
        "no last chunk": b"3\r\nabc\r\n",
        "cut in a chunk": b"40\r\n{",
        "cut in a size": b"4",
        "cut in the trailers": b"0\r\nX-Sum: ",
        "a line without end": b"3;" + b"x" * 10_000,
    }
    cases += [
        Case(f"chunked: {name}", first_then_good(raw(TE, data), CLOSE), (TORN, OK)) for name, data in broken.items()
    ]
    return cases


def codings() -> list[Case]:
    def coded(coding: str, encode: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
        return lambda b: http(encode(b), f"Content-Encoding: {coding}\r\n")

    def raw_deflate(data: bytes) -> bytes:
        stream = zlib.compressobj(wbits=-15)
        return stream.compress(data) + stream.flush()

    good: dict[str, Callable[[bytes], bytes]] = {
        "gzip": coded("gzip", gzip.compress),
        "GZIP": coded("GZIP", gzip.compress),
        "x-gzip": coded("x-gzip", gzip.compress),
        "deflate": coded("deflate", zlib.compress),
        "raw deflate": coded("deflate", raw_deflate),
        "br": coded("br", brotli.compress),
        "zstd": coded("zstd", zstandard.compress),
        "identity": coded("identity", lambda b: b),
        "an empty coding": coded("", lambda b: b),
        "gzip, then br": coded("gzip, br", lambda b: brotli.compress(gzip.compress(b))),
        "gzip twice": coded("gzip, gzip", lambda b: gzip.compress(gzip.compress(b))),
        "two header lines": lambda b: http(
            zlib.compress(gzip.compress(b)), "Content-Encoding: gzip\r\nContent-Encoding: deflate\r\n"
        ),
        "gzip in two members": coded("gzip", lambda b: gzip.compress(b[:9]) + gzip.compress(b[9:])),
        "gzip with bytes after it": coded("gzip", lambda b: gzip.compress(b) + b"\0\0\0"),
        "gzip in chunks": lambda b: raw(
            "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\nContent-Encoding: gzip\n\n", chunked(gzip.compress(b), 7)
        ),
        "gzip as a transfer coding": lambda b: raw(
            "HTTP/1.1 200 OK\nTransfer-Encoding: gzip, chunked\n\n", chunked(gzip.compress(b))
        ),
    }
    theirs = {
        "zstd": (BAD, BAD),
        "x-gzip": (BAD, BAD),
        "gzip in two members": (BAD, BAD),
        "gzip as a transfer coding": (TORN, TORN),
    }
    cases = [
        Case(name, always(make), theirs=theirs.get(name), why="the SDK's client does not know it")
        for name, make in good.items()
    ]
    bomb = gzip.compress(b" " * 10_000_000)
    broken: dict[str, tuple[bytes, str]] = {
        "gzip that is none": (http(chat("one"), "Content-Encoding: gzip\r\n"), TORN),
        "gzip cut short": (http(gzip.compress(chat("one"))[:-12], "Content-Encoding: gzip\r\n"), TORN),
        "deflate that is none": (http(chat("one"), "Content-Encoding: deflate\r\n"), TORN),
        "br that is none": (http(chat("one"), "Content-Encoding: br\r\n"), TORN),
        "zstd that is none": (http(chat("one"), "Content-Encoding: zstd\r\n"), TORN),
        "an unknown coding": (http(chat("one"), "Content-Encoding: sdch\r\n"), TORN),
        "a gzip bomb": (http(bomb, "Content-Encoding: gzip\r\n"), TOO_LARGE),
        "a br bomb": (http(brotli.compress(b" " * 10_000_000), "Content-Encoding: br\r\n"), TOO_LARGE),
        "a zstd bomb": (http(zstandard.compress(b" " * 10_000_000), "Content-Encoding: zstd\r\n"), TOO_LARGE),
        "a bomb in a bomb": (http(gzip.compress(bomb), "Content-Encoding: gzip, gzip\r\n"), TOO_LARGE),
        "six codings": (http(chat("one"), f"Content-Encoding: {'identity, ' * 6}\r\n"), TORN),
        "an empty body with gzip": (http(b"", "Content-Encoding: gzip\r\n"), BAD),
    }
    differ = {
        "gzip cut short": (BAD, "the SDK's client takes what could be decompressed"),
        "zstd that is none": (OK, "the SDK's client does not know it"),
        "an unknown coding": (OK, "the SDK's client takes the body as it is; ours says what is wrong"),
        "six codings": (OK, "the SDK's client has no bound on the codings"),
        "a gzip bomb": (BAD, _UNBOUNDED),
        "a br bomb": (BAD, _UNBOUNDED),
        "a zstd bomb": (BAD, _UNBOUNDED),
        "a bomb in a bomb": (BAD, _UNBOUNDED),
    }
    for name, (data, end) in broken.items():
        other, why = differ.get(name, (None, ""))
        cases.append(
            Case(f"coding: {name}", first_then_good(data), (end, OK), theirs=(other, OK) if other else None, why=why)
        )
    return cases


_UNBOUNDED = "the SDK's client has no bound on a body"


def statuses() -> list[Case]:
    slow, down, bad = "ThrottledError rate_limit_exceeded", "ServerError server_error", "BadRequestError bad_request"
    broken: dict[str, tuple[bytes, str]] = {
        "429, empty, gzip": (http(b"", "Content-Encoding: gzip\r\n", "429 X"), slow),
        "429, gzip that is none": (http(b"slow", "Content-Encoding: gzip\r\n", "429 X"), slow),
        "503, br that is none": (http(b"down", "Content-Encoding: br\r\n", "503 X"), down),
        "503, an unknown coding": (http(b"down", "Content-Encoding: sdch\r\n", "503 X"), down),
        "400, two lengths": (raw("HTTP/1.1 400 X\nContent-Length: 2\nContent-Length: 3\n\n", b"no"), bad),
        "429, a length in words": (raw("HTTP/1.1 429 X\nContent-Length: x\n\n"), slow),
        "500 without anything": (raw("HTTP/1.1 500 X\n\n"), down),
        "500, HTTP/1.0": (b"HTTP/1.0 500 X\r\n\r\ndown", down),
        "429, a broken chunk": (raw("HTTP/1.1 429 X\nTransfer-Encoding: chunked\n\n", b"zz\r\n"), slow),
        "503 of 10 MB": (http(b"x" * 10_000_000, status="503 X"), down),
        "413 in the middle of the request": (http(b"{}", "Connection: close\r\n", "413 X"), bad),
        "304": (raw("HTTP/1.1 304 X\n\n"), bad),
        "999": (http(b"", status="999 X"), down),
    }
    cut: dict[str, tuple[bytes, str]] = {
        "429 cut in the body": (raw("HTTP/1.1 429 X\nRetry-After: 1\nContent-Length: 99\n\n", b"slo"), slow),
        "503 cut in a chunk": (raw("HTTP/1.1 503 X\nTransfer-Encoding: chunked\n\n", b"40\r\nx"), down),
    }
    unreadable = "429, gzip that is none", "503, br that is none", "400, two lengths", "429, a length in words"
    theirs = dict.fromkeys((*unreadable, "429, a broken chunk", *cut), TORN)
    keep = "a status is certain, whatever became of the body"
    return [
        Case(f"status: {name}", first_then_good(data, CLOSE), (end, OK), theirs=_pair(theirs.get(name)), why=keep)
        for name, (data, end) in {**broken, **cut}.items()
    ]


def _pair(end: str | None) -> tuple[str, str] | None:
    return (end, OK) if end else None


def limits() -> list[Case]:
    big = b"x" * (LIMIT + 1)
    endless = raw("HTTP/1.1 200 OK\nX: ", b"y" * 200_000)
    sizes: dict[str, tuple[bytes, str]] = {
        "a body at the limit": (http(b" " * LIMIT), BAD),
        "a body above the limit": (http(big), TOO_LARGE),
        "an announced terabyte": (raw("HTTP/1.1 200 OK\nContent-Length: 1099511627776\n\n"), TOO_LARGE),
        "chunks above the limit": (raw(TE, chunked(big, 5_000)), TOO_LARGE),
        "a chunk that is announced above the limit": (raw(TE, b"ffffff\r\n"), TORN),
        "until the close, above the limit": (b"HTTP/1.1 200 OK\r\n\r\n" + big, TOO_LARGE),
        "a header without end": (endless, TOO_LARGE),
        "10,000 headers": (raw("HTTP/1.1 200 OK\n" + "X: aaaaaaaaaaaaaaaa\n" * 10_000), TOO_LARGE),
        "1xx without end": (b"HTTP/1.1 103 X\r\nLink: aaaaaaaaaaaa\r\n\r\n" * 5_000, TOO_LARGE),
        "trailers without end": (raw(TE, b"0\r\n" + b"X: aaaaaaaaaaaa\r\n" * 20_000), TOO_LARGE),
    }
    theirs = {
        "a body above the limit": BAD,
        "an announced terabyte": TORN,
        "chunks above the limit": BAD,
        "until the close, above the limit": BAD,
        "a header without end": TORN,
        "10,000 headers": TORN,
        "1xx without end": TORN,
        "trailers without end": TORN,
    }
    return [
        Case(f"limit: {name}", first_then_good(data, CLOSE), (end, OK), theirs=_pair(theirs.get(name)), why=_UNBOUNDED)
        for name, (data, end) in sizes.items()
    ]


def connections() -> list[Case]:
    stray = http(chat("WRONG"))

    def second_request_torn(prompt: str, n: int) -> Iterable[Step]:
        return (http(chat(prompt)),) if n != 2 else (CLOSE,)

    def slowly(prompt: str, n: int) -> Iterable[Step]:
        data = http(chat(prompt))
        return [step for at in range(0, len(data), 9) for step in (data[at : at + 9], 0.001)]

    def in_two(at: int) -> Callable[[str, int], Iterable[Step]]:
        def steps(prompt: str, n: int) -> Iterable[Step]:
            data = http(chat(prompt))
            return data[:at], 0.005, data[at:]

        return steps

    def echo_and(*after: Step) -> Callable[[str, int], Iterable[Step]]:
        return lambda prompt, n: (http(chat(prompt)), *after)

    hard: list[Any] = [
        Case("closes after each answer, unannounced", echo_and(CLOSE), requests=2),
        Case("resets after each answer, unannounced", echo_and(0.002, RESET), requests=2),
        Case("half closes after each answer", echo_and(HALF_CLOSE), ways=PLAIN, requests=2),
        Case("closes a moment after each answer", echo_and(0.005, CLOSE), requests=2),
        Case("a second answer in the same packet", lambda p, n: (http(chat(p)) + stray,), requests=2),
        Case("half of a second answer in the same packet", lambda p, n: (http(chat(p)) + stray[:20],), requests=2),
        Case("a second answer a moment later", echo_and(0.003, stray), requests=2),
        Case("a byte too many", lambda p, n: (http(chat(p)) + b"x",), requests=2),
        Case("a line too many", lambda p, n: (http(chat(p)) + b"\r\n",), requests=2),
        Case("bytes after a chunked answer", lambda p, n: (raw(TE, chunked(chat(p))) + stray,), requests=2),
        Case("a 408 while idle", echo_and(0.003, http(b"", status="408 X"), CLOSE), requests=2),
        Case("the request is read, then closed", second_request_torn, (OK, TORN), requests=2),
        Case("reset before any answer", first_then_good(RESET), (TORN, OK)),
        Case("closed before any answer", first_then_good(CLOSE), (TORN, OK)),
        Case("half closed before any answer", first_then_good(HALF_CLOSE), (TORN, OK), ways=PLAIN),
        Case("no answer", first_then_good(HANG), (LATE, OK), timeout_s=0.4),
        Case("half an answer", first_then_good(http(chat("one"))[:40], HANG), (LATE, OK), timeout_s=0.4),
        Case("an answer byte by byte", slowly),
        Case("a packet that ends in the status line", in_two(5)),
        Case("a packet that ends in a header", in_two(20)),
        Case("a packet that ends in CR", in_two(16)),
        Case("a packet that ends with the header", in_two(http(b"x" * 100).index(b"\r\n\r\n") + 4)),
        Case("a packet that ends in the body", in_two(60)),
        Case("Keep-Alive: timeout=0", lambda p, n: (http(chat(p), "Keep-Alive: timeout=0\r\n"),)),
        Case("Keep-Alive: timeout=5, max=1", lambda p, n: (http(chat(p), "Keep-Alive: timeout=5, max=1\r\n"), CLOSE)),
        Case("Keep-Alive: junk", lambda p, n: (http(chat(p), "Keep-Alive: timeout=x, =, max\r\n"),)),
    ]
    closed = "the SDK's client finds out by losing a call"
    mixed = "the SDK's client takes what belongs to nobody for the next answer: RFC 9112, 6.3"
    theirs: dict[str, tuple[tuple[str, str], str]] = {
        "closes a moment after each answer": ((OK, TORN), closed),
        "a second answer in the same packet": ((OK, "WRONG echo WRONG"), mixed),
        "half of a second answer in the same packet": ((OK, TORN), mixed),
        "a byte too many": ((OK, TORN), mixed),
        "a line too many": ((OK, TORN), mixed),
        "bytes after a chunked answer": ((OK, "WRONG echo WRONG"), mixed),
    }
    return [
        Case(**{**case.__dict__, "theirs": theirs[case.name][0], "why": theirs[case.name][1]})
        if case.name in theirs
        else case
        for case in hard
    ]


def redirects() -> list[Case]:
    def to(where: str, status: int = 307) -> Callable[[str, int], Iterable[Step]]:
        return lambda prompt, n: (
            (http(b"", f"Location: {where}\r\n", f"{status} X"),) if n % 2 else (http(chat(prompt)),)
        )

    lost, odd = "NoAnswerError redirect", "BadRequestError bad_request"
    return [
        Case("redirect: a path", to("/v1/there")),
        Case("redirect: a relative path", to("there")),
        Case("redirect: a query", to("/v1/there?a=b")),
        Case("redirect: 308", to("/v1/there", 308)),
        Case("redirect: in circles", fixed(http(b"", "Location: /v1/x\r\n", "307 X")), (lost, lost)),
        Case("redirect: no location", fixed(http(b"", status="307 X")), (odd, odd)),
        Case(
            "redirect: another scheme",
            fixed(http(b"", "Location: ftp://127.0.0.1/\r\n", "307 X")),
            (lost, lost),
            theirs=(UNSENT, UNSENT),
            why="ours says that it was a redirect",
        ),
        Case(
            "redirect: no URL",
            fixed(http(b"", "Location: http://[::1/\r\n", "307 X")),
            (lost, lost),
            theirs=(TORN, TORN),
            why="ours says that it was a redirect",
        ),
        Case(
            "redirect: a port out of range",
            fixed(http(b"", "Location: http://127.0.0.1:99999/\r\n", "307 X")),
            (lost, lost),
            theirs=("ExceptionGroup", "ExceptionGroup"),
            why="ours says that it was a redirect",
        ),
    ]


CASES = [
    *framing(),
    *broken_framing(),
    *chunks(),
    *codings(),
    *statuses(),
    *limits(),
    *connections(),
    *redirects(),
]
