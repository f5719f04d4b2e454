"""What the commands share: messages in flags, one-line errors, safe output, misspelled variables."""

import json

import pytest

from kaizen_batch.commands.command import in_flags, put_json, show_lines
from kaizen_batch.results.texts.summary import Line
from tests.commands.conftest import Cli


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("pass encoding='cp1252', or raise budget_usd", "pass --encoding cp1252, or raise --budget"),
        ("raise max_tokens", "raise --max-tokens"),
        ("lower max_concurrent or set requests_per_minute", "lower --max-concurrent or set --rpm"),
        ("\x1b[2J", "\\u001b[2J"),
    ],
)
def test_messages_of_the_library_name_flags(message: str, shown: str) -> None:
    assert in_flags(message) == shown


def test_lines_have_labels_and_escape_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    show_lines([Line("", "head"), Line("failed", "2 \x1b]0;x\x07"), Line("", "  kaizen-batch run")])
    assert capsys.readouterr().err == "head\nfailed    2 \\u001b]0;x\\u0007\n  kaizen-batch run\n"


def test_json_is_the_same_and_printable(capsys: pytest.CaptureFixture[str]) -> None:
    put_json({"name": "\x9b2J \u202e ü"})
    text = capsys.readouterr().out
    assert json.loads(text) == {"name": "\x9b2J \u202e ü"}
    assert "\x9b" not in text and "\u202e" not in text and "ü" in text


def test_a_misspelled_variable_is_named(cli: Cli) -> None:
    result = cli("doctor", "--no-call", env={"KAIZEN_BASEURL": "http://127.0.0.1:1/v1", "OPENAI_API_KEY": ""})
    warning = "the environment variable KAIZEN_BASEURL is not read: did you mean 'KAIZEN_BASE_URL'?"
    assert f"warning   {warning}" in result.stderr
    assert "KAIZEN" not in cli("doctor", "--no-call", env={"KAIZEN_JOURNAL": "x.db", "OPENAI_API_KEY": ""}).stderr


def test_what_is_typed_is_not_printed_raw(cli: Cli) -> None:
    result = cli("run", "a.csv", "--b\x1b[2J", "--output", "c.csv")
    assert result.exit_code == 2 and "\x1b" not in result.output
