"""The torture suite: raw responses over real sockets; over TCP, TLS, a proxy and a tunnel; on asyncio and uvloop."""

import asyncio
import ssl
import sys
from pathlib import Path

import pytest

from tests.providers.http.torture import run_case
from tests.providers.http.torture_cases import CASES, Case

if sys.platform == "win32":
    pytest.skip("uvloop is not for Windows", allow_module_level=True)

import uvloop

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
BY_NAME = {case.name: case for case in CASES}


def test_there_are_enough_cases_and_every_difference_is_justified() -> None:
    assert len(CASES) == len(BY_NAME) >= 120
    assert not [case.name for case in CASES if case.theirs is not None and not case.why]


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("name", BY_NAME)
def test_no_answer_is_wrong_no_call_hangs_and_no_socket_leaks(
    name: str, loop: str, authority: tuple[Path, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority[0]))
    case = BY_NAME[name]

    async def everywhere() -> dict[str, list[str]]:
        return {way: await run_case(case, "fast", way, authority[1]) for way in case.ways}

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        ends = runner.run(everywhere())
    assert ends == {way: list(case.ends) for way in ends}


@pytest.mark.parametrize("name", BY_NAME)
async def test_the_sdk_makes_the_same_of_it_or_the_difference_is_listed(name: str) -> None:
    case: Case = BY_NAME[name]
    ends = await run_case(case, "sdk")
    assert tuple(ends[:2]) in (case.ends, case.theirs)
