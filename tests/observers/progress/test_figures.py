"""The figures of a progress display."""

from typing import Any

import pytest

from kaizen_batch.observers.progress.figures import Pace, Words, item_name, text_of, totals_of, view_of
from kaizen_batch.results.texts.summary import Ending
from tests.observers.progress.events import finished, progress


def paced(*samples: tuple[int, float], **figures: Any) -> Pace:
    pace = Pace()
    for done, elapsed_s in samples:
        pace.add(progress(done, elapsed_s, **figures))
    return pace


def test_items_per_second_are_recent_and_not_the_mean() -> None:
    slow_then_fast = [(n, float(n)) for n in range(60)] + [(60 + 10 * n, 60.0 + n) for n in range(21)]
    assert paced(*slow_then_fast).items_per_s == pytest.approx(10.0)


def test_a_stalled_run_has_no_pace() -> None:
    pace = paced((10, 1.0), *[(10, 1.0 + n) for n in range(1, 200)])
    assert pace.items_per_s == 0.0
    assert pace.seconds_left(progress(10, 200.0)) is None


def test_the_time_left_follows_the_pace_of_two_minutes() -> None:
    pace = paced(*[(n, float(n)) for n in range(300)])
    assert pace.seconds_left(progress(299, 299.0)) == pytest.approx(701.0)
    assert pace.seconds_left(progress(299, 299.0, total=None)) is None


def test_a_time_left_that_grows_says_so() -> None:
    fast = [(10 * n, float(n)) for n in range(1, 31)]
    slow = [(300 + n, 30.0 + n) for n in range(1, 61)]
    assert not [part for part in view_of(progress(300, 30.0), paced(*fast)).parts if "later" in part]
    pace = paced(*fast, *slow)
    [left] = [part for part in view_of(progress(360, 90.0), pace).parts if "left" in part]
    assert left.startswith("2 min 40 s left (2 min 30 s later than expected)"[:13]) and "later than expected" in left


def test_samples_are_bounded() -> None:
    pace = paced(*[(n, n / 2) for n in range(10_000)])
    assert len(pace._samples) < 250


def test_replayed_items_affect_neither_pace_nor_time_left() -> None:
    pace = Pace()
    pace.add(progress(500, 0.5, from_journal=500))  # replayed at once
    assert pace.items_per_s == 0.0
    assert pace.seconds_left(progress(500, 0.5, from_journal=500)) is None
    for n in range(1, 11):
        pace.add(progress(500 + n, 0.5 + n, from_journal=500))
    assert pace.items_per_s == pytest.approx(1.0)
    assert pace.seconds_left(progress(510, 10.5, from_journal=500)) == pytest.approx(490.0)


def test_items_that_were_not_attempted_do_not_affect_the_pace() -> None:
    pace = paced((100, 10.0))
    pace.add(progress(900, 10.5, failed=800))
    assert pace.items_per_s == pytest.approx(100 / 10.5)


def test_a_view_shows_everything_the_most_important_first() -> None:
    sample = progress(
        500,
        10.0,
        failed=13,
        failures={"length": 4, "refusal": 8},
        throttles=3,
        input_tokens=5_140_000,
        output_tokens=999,
        cost_usd=1.25,
        waiting_for="the token window, 12 s",
        from_journal=100,
    )
    view = view_of(sample, paced((0, 0.5), (50, 5.5), (100, 10.0)))
    assert (view.percent, view.count) == (50, "500/1,000")
    assert view.parts == (
        "10.5 items/s",
        "48 s left",
        "waiting for the token window, 12 s",
        "12 failed (8 refusal, 4 length)",
        "1 not attempted",
        "10 of 10 calls in flight",
        "$1.25 of about $2.82",
        "5.1M tokens in, 999 out",
        "3 throttled",
        "100 from the journal",
    )


@pytest.mark.parametrize(
    ("figures", "text"),
    [
        ({"waiting_for": "a free place"}, None),
        ({"waiting_for": "the reader of the results"}, "waiting for the reader of the results"),
        ({"waiting_for": "item 1,593, 74 s"}, "waiting for row 1,594, 74 s"),
        ({"oldest_call_s": 2.0, "oldest_item": 7}, None),
        ({"oldest_call_s": 74.0, "oldest_item": 1592}, "the slowest call, row 1,593, has taken 1 min 14 s"),
        (
            {"oldest_call_s": 74.0, "oldest_item": 1592, "oldest_row": "T-17\x1b[2J"},
            r"the slowest call, row T-17\u001b[2J, has taken 1 min 14 s",
        ),
    ],
)
def test_what_a_run_waits_for(figures: dict[str, Any], text: str | None) -> None:
    parts = view_of(progress(1, 1.0, **figures), Pace(), words=Words("row")).parts
    found = [part for part in parts if "waiting" in part or "slowest" in part]
    assert found == ([text] if text else [])


def test_a_run_in_which_nothing_moves_says_since_when_and_why() -> None:
    call = {"oldest_call_s": 70.0, "oldest_item": 9}
    pace = paced((10, 1.0), *[(10, float(n)) for n in range(2, 72)])
    parts = view_of(progress(10, 71.0, **call), pace, words=Words("row")).parts
    assert parts[1] == "no row finished for 1 min 10 s; the slowest call, row 10, has taken 1 min 10 s"


def test_what_an_endpoint_says_is_printable() -> None:
    view = view_of(progress(1, 1.0, waiting_for="the endpoint (\x1b]0;owned\x07)", failures={"\x1b[2J": 1}), Pace())
    assert not [part for part in view.parts if "\x1b" in part or "\x07" in part]


def test_rows_count_from_one_and_items_are_indices() -> None:
    assert (item_name(0, "row"), item_name(1593)) == ("row 1", "item 1,593")


def test_a_view_is_never_complete() -> None:
    view = view_of(progress(1000, 10.0), Pace())
    assert (view.percent, view.parts[0]) == (99, "writing ...")
    assert view_of(progress(999_999, 1.0, total=1_000_000), Pace()).percent == 99
    assert view_of(progress(7, 10.0, total=None), Pace(), writing=True).parts[0] == "writing ..."


def test_unknown_totals_and_empty_batches() -> None:
    unknown = view_of(progress(1234, 10.0, total=None, cost_usd=0.5), paced((1, 0.5)))
    assert (unknown.percent, unknown.count) == (None, "1,234 items")
    assert "$0.5" in unknown.parts
    assert not [part for part in unknown.parts if "left" in part or "about" in part]
    assert view_of(progress(0, 0.5, total=0), Pace()).percent is None


def test_the_text_has_the_figures_alone() -> None:
    text = text_of(progress(1000, 10.0), paced((0, 0.5), (1000, 10.5)))
    assert text == "100.0 items/s; 0 s left; 10 of 10 calls in flight"


def test_the_totals_are_the_sentences_of_the_summary() -> None:
    summary = finished(stopped="QuotaExhaustedError: MESSAGE", from_journal=500, not_attempted=0, cost_usd=3.5).summary
    assert totals_of(summary) == (
        "1,000 items in 12 s (40/s): 988 done, 12 failed",
        "failed: 8 refusal (the model refused): change the prompt, or add a fallback model",
        "failed: 4 length (the answer was cut off): raise max_tokens",
        "journal: 500 items answered without a call, from the journal or by an identical item",
        "cost: $3.50; 1,004 calls",
        "stopped: the account has no credit left",
    )
    assert totals_of(summary, Ending(messages=True))[-1] == "stopped: the account has no credit left: MESSAGE"
    assert totals_of(finished(total=0, ok=0, failed=0, failures={}, calls=0, elapsed_s=0.0).summary) == (
        "0 items in 0 s: 0 done",
    )


def test_the_age_of_a_slow_call_names_the_limit_that_ends_it() -> None:
    call = {"oldest_call_s": 74.0, "oldest_item": 2, "in_flight": 1}
    shown = "  ".join(view_of(progress(1, 80.0, **call), Pace(), words=Words("row", " (--timeout 120 ends it)")).parts)
    assert "the slowest call, row 3, has taken 1 min 14 s (--timeout 120 ends it)" in shown
