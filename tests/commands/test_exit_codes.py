"""Exit codes: every code is in the help, with its meaning."""

import re
import signal

import pytest

from kaizen_batch.commands.exit_codes import EXIT_CODES, Exit


@pytest.mark.parametrize("code", Exit)
def test_every_code_has_a_meaning(code: Exit) -> None:
    assert re.search(rf"^  {code.value} +\w", EXIT_CODES, re.MULTILINE)


def test_the_codes_of_signals_are_those_of_a_shell() -> None:
    ends = {
        Exit.HANGUP: signal.SIGHUP,
        Exit.INTERRUPTED: signal.SIGINT,
        Exit.QUIT: signal.SIGQUIT,
        Exit.TERMINATED: signal.SIGTERM,
    }
    assert {code.value for code in ends} == {128 + number for number in ends.values()}
