"""`--param`, `--header`, and `none` for a number."""

import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from kaizen_batch import ConfigError
from kaizen_batch.commands.main import main
from kaizen_batch.commands.parameters import OrNone, headers_of, parameters_of
from kaizen_batch.simulator import Simulator

pytestmark = pytest.mark.enable_socket


def test_values_are_json_or_texts() -> None:
    assert parameters_of(["a=1", 'b="1"', "c=x=y", "d=[1, 2]", "e="]) == {
        "a": 1,
        "b": "1",
        "c": "x=y",
        "d": [1, 2],
        "e": "",
    }


@pytest.mark.parametrize(("pairs", "said"), [(["a"], "NAME=VALUE"), (["=1"], "NAME=VALUE"), (["a=1", "a=2"], "twice")])
def test_a_wrong_pair_is_refused(pairs: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        parameters_of(pairs)


def test_a_header_names_a_variable_in_either_spelling() -> None:
    assert headers_of(["X-A=${A}", "X-B: Bearer ${B}"]) == {"X-A": "${A}", "X-B": "Bearer ${B}"}
    with pytest.raises(ConfigError, match="in single quotes") as caught:
        headers_of(["X-A=s3cret"])
    assert "s3cret" not in str(caught.value)


def test_a_number_or_none() -> None:
    kind = OrNone(click.IntRange(1))
    assert (kind.convert("NONE", None, None), kind.convert("5", None, None)) == ("none", 5)
    with pytest.raises(click.BadParameter):
        kind.convert("0", None, None)


@pytest.mark.parametrize("by", ["flags", "file"])
def test_they_reach_the_endpoint(by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows, out, config = tmp_path / "in.jsonl", tmp_path / "out.jsonl", tmp_path / "run.toml"
    rows.write_text('{"text": "a"}\n')
    monkeypatch.setenv("TENANT", "s3cret-tenant")
    more = ["--param", "top_p=0.5", "--param", "effort=low", "--header", "X-T=${TENANT}", "--temperature", "none"]
    if by == "file":
        config.write_text(
            'temperature = "none"\nmax-tokens = "none"\n[parameters]\ntop_p = 0.5\neffort = "low"\n'
            '[headers]\nX-T = "${TENANT}"\n'
        )
        more = ["--config", str(config)]
    with Simulator() as server:
        asked = ["run", str(rows), "--prompt", "{text}", "--output", str(out), "--base-url", server.base_url, *more]
        done = CliRunner().invoke(main, asked)
        assert done.exit_code == 0, done.output
        assert server.ledger.entries[0].parameters == {"top_p": 0.5, "effort": "low"}
        assert server.headers[0]["x-t"] == "s3cret-tenant"
    assert json.loads(out.read_text())["text"] == "a"
    assert b"s3cret-tenant" not in (tmp_path / "out.jsonl.journal.db").read_bytes()


def test_the_default_temperature_is_no_request_of_the_user(tmp_path: Path) -> None:
    rows, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    rows.write_text('{"text": "a"}\n')
    with Simulator() as server:
        asked = ["run", str(rows), "--prompt", "{text}", "--output", str(out), "--base-url", server.base_url]
        assert CliRunner().invoke(main, [*asked, "--model", "gpt-5-mini"]).exit_code == 0
        assert server.ledger.entries[0].parameters == {}
        done = CliRunner().invoke(main, [*asked, "--model", "gpt-5-mini", "--temperature", "0.5", "--overwrite"])
    assert done.exit_code != 0 and "temperature" in out.with_name("out.failed.jsonl").read_text()
