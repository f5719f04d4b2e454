"""The document: whole, private, closed to the outside, and every text in it a text."""

import json
import re
import sqlite3
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from kaizen_batch import BatchSummary, ConfigError, Entry, ItemError, Journal, StoredAnswer
from kaizen_batch.journal import STATES, Run, Totals
from kaizen_batch.metrics import LatencyHistogram
from kaizen_batch.report import page, write_report
from kaizen_batch.report.distributions import Distribution
from kaizen_batch.report.facts import Details, Facts, Failures, RunFacts, read_facts
from kaizen_batch.report.page import options, render
from kaizen_batch.report.timeline import Timeline
from kaizen_batch.simulator import Simulator
from tests.report.journals import NASTY, ask

_TEXTS = some.text(max_size=60) | some.sampled_from(NASTY)


class Reader(HTMLParser):
    """The elements, attributes and texts of a document; scripts and styles apart."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self.scripts: list[str] = []
        self.feed(document)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.extend(attrs)

    def handle_data(self, data: str) -> None:
        (self.scripts if self.tags and self.tags[-1] in ("script", "style") else self.texts).append(data)


def with_texts(asked: str, answer: str, message: str, label: str) -> Facts:
    """Facts with hostile texts in every place that a row, a model or a user can write to."""
    error = ItemError(message, message, message, retryable=True)
    request = json.dumps({"messages": [{"content": asked}]})
    entry = Entry(
        b"k" * 32, "done", 3, request, 2, 0.0, 1.0, StoredAnswer(answer, "stop", None, label, label), error, 0, 0, 0, 0
    )
    config = {"model": label, "system_prompt": asked, "labels": {"command": label, "input": label, label: answer}}
    run = Run(b"", 0.0, 1.0, {"endpoint": label, "config": config, "total": 1}, {})
    figures = {**BatchSummary(total=1, ok=1).to_dict(), "failures": {message: 1, label: 1}, "stopped": message}
    column = Distribution(label, [(message, 1)], 1, label)
    details = Details(LatencyHistogram(), [entry], [entry], [Failures(error, 1, [entry])], [column], 1, 0.0)
    runs = [RunFacts(1, run, "stopped", 0.0, figures, message), RunFacts(2, run, "running", 0.0, figures, message)]
    return Facts(label, 0.0, runs, dict.fromkeys(STATES, 1), Totals(), Timeline(), details)


def parts(asked: str, answer: str, message: str, label: str) -> Reader:
    document = render(with_texts(asked, answer, f"{message} message", f"{label} label"))
    for known in (page._script(live=False), page._read("uPlot.min.css") + page._read("style.css")):
        assert known in document
        document = document.replace(known, "", 1)  # 90 kB that a parser in Python need not read each time
    return Reader(document)


TAME = parts("asked", "answer", "", "")


@settings(max_examples=40, deadline=None)
@given(asked=_TEXTS, answer=_TEXTS, message=_TEXTS, label=_TEXTS)
def test_every_text_is_shown_as_text(asked: str, answer: str, message: str, label: str) -> None:
    hostile = parts(asked, answer, message, label)
    assert set(hostile.tags) <= {*TAME.tags, "p", "details", "summary"}
    assert hostile.scripts == TAME.scripts
    assert {name for name, _ in hostile.attributes} <= {*(name for name, _ in TAME.attributes), "data-key"}
    assert not answer or answer in hostile.texts


def test_the_page_asks_the_network_for_nothing(facts: Facts) -> None:
    document = Reader(render(facts))
    linked = [value for name, value in document.attributes if name in ("src", "href", "action", "srcset")]
    assert linked == ["data:,"]
    assert not {"iframe", "object", "embed", "img", "form", "a"} & set(document.tags)
    assert not re.search(r"url\(|@import", "".join(document.scripts))
    assert not [name for name, _ in document.attributes if name.startswith("on") or name == "style"]


def test_the_policy_lets_only_the_pages_own_script_and_style_in(facts: Facts) -> None:
    document = Reader(render(facts))
    [policy] = [value for name, value in document.attributes if name == "content" and "src" in str(value)]
    [style], [script] = (re.findall(f"<{tag}>(.*?)</{tag}>", render(facts), re.DOTALL) for tag in ("style", "script"))
    assert policy == (
        f"default-src 'none'; script-src {page._hash(script)}; style-src {page._hash(style)}; img-src data:;"
        " base-uri 'none'; form-action 'none'"
    )
    assert "unsafe" not in policy
    assert "connect-src 'self'" in str(Reader(render(facts, live=True)).attributes)


def test_the_licence_of_the_plotting_library_goes_with_it(facts: Facts) -> None:
    assert "Copyright (c) 2022 Leon Sorokin" in render(facts)
    assert "uPlot (v1.6.32)" in render(facts)


async def test_a_journal_without_a_run_says_so(tmp_path: Path) -> None:
    async with Journal(tmp_path / "run.db").writing():
        pass
    document = write_report(tmp_path / "run.db", tmp_path / "report.html").read_text()
    assert "No run has started on this journal yet." in document


async def test_a_killed_run_says_how_to_go_on(tmp_path: Path) -> None:
    with Simulator() as simulator:
        await ask(simulator, tmp_path / "run.db", 20, labels={})
    connection = sqlite3.connect(tmp_path / "run.db")
    with connection:
        connection.execute("UPDATE runs SET ended_at = NULL, summary = NULL, row_check = NULL")
        connection.execute("DELETE FROM samples")  # killed before the first one
    connection.close()
    document = render(read_facts(Journal(tmp_path / "run.db"), 4e9))
    assert "no sign of life" in document
    assert "Start it again with the same journal" in document
    assert "The run was started from Python." in document


async def test_half_a_surrogate_pair_does_not_stop_the_report(tmp_path: Path) -> None:
    async with Journal(tmp_path / "run.db").writing() as writer:
        writer.begin_run({"endpoint": None, "config": {}, "total": None})
        await writer.begin(b"k" * 32, item=0, request=json.dumps({"messages": [{"content": "\ud83d"}]}))
        await writer.done(b"k" * 32, StoredAnswer(text="half a face: \ud83d"))
    document = write_report(tmp_path / "run.db", tmp_path / "report.html").read_text(encoding="utf-8")
    assert "half a face: \\ud83d" in document


def test_options_that_say_nothing_are_left_out_and_zero_says_something() -> None:
    config: dict[str, Any] = {
        "temperature": 0.0,
        "grace_s": 10.0,
        "adaptive": False,
        "window": None,
        "fallbacks": [],
        "labels": {},
        "retry": {"attempts": 2, "budget": None},
        "api_key": "sk-1",
    }
    assert options(config) == [("temperature", "0"), ("grace_s", "10"), ("retry", "attempts=2")]


def test_without_the_extra_the_fix_is_named(monkeypatch: pytest.MonkeyPatch, facts: Facts) -> None:
    page._template.cache_clear()
    monkeypatch.setitem(__import__("sys").modules, "jinja2", None)
    with pytest.raises(ConfigError, match=r"pip install 'kaizen-batch\[report\]'"):
        render(facts)
