"""The figures of a progress display."""

import pytest

from kaizen_batch.observers.progress.figures import Pace, failures_text, text_of, totals_of, view_of
from tests.observers.progress.events import finished, progress


def paced(*samples: tuple[int, float], **figures: int) -> Pace:
    pace = Pace()
    for done, elapsed_s in samples:
        pace.add(progress(done, elapsed_s, **figures))
    return pace


def test_items_a_second_are_those_of_late_and_not_the_mean() -> None:
    slow_then_fast = [(n, float(n)) for n in range(60)] + [(60 + 10 * n, 60.0 + n) for n in range(21)]
    assert paced(*slow_then_fast).items_per_s == pytest.approx(10.0)


def test_a_run_that_stands_still_has_no_pace() -> None:
    pace = paced((10, 1.0), *[(10, 1.0 + n) for n in range(1, 200)])
    assert pace.items_per_s == 0.0
    assert pace.seconds_left(progress(10, 200.0)) is None


def test_the_time_left_is_of_the_pace_of_two_minutes() -> None:
    pace = paced(*[(n, float(n)) for n in range(300)])
    assert pace.seconds_left(progress(299, 299.0)) == pytest.approx(701.0)
    assert pace.seconds_left(progress(299, 299.0, total=None)) is None


def test_samples_are_bounded() -> None:
    pace = paced(*[(n, n / 2) for n in range(10_000)])
    assert len(pace._samples) < 250


def test_items_of_the_journal_spoil_neither_pace_nor_time_left() -> None:
    pace = Pace()
    pace.add(progress(500, 0.5, from_journal=500))  # replayed in no time
    assert pace.items_per_s == 0.0
    assert pace.seconds_left(progress(500, 0.5, from_journal=500)) is None
    for n in range(1, 11):
        pace.add(progress(500 + n, 0.5 + n, from_journal=500))
    assert pace.items_per_s == pytest.approx(1.0)
    assert pace.seconds_left(progress(510, 10.5, from_journal=500)) == pytest.approx(490.0)


def test_items_that_were_not_attempted_spoil_no_pace() -> None:
    pace = paced((100, 10.0))
    pace.add(progress(900, 10.5, failed=800))
    assert pace.items_per_s == pytest.approx(100 / 10.5)


def test_a_view_says_everything_in_order_of_weight() -> None:
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
    view = view_of(sample, paced((0, 0.5), (50, 5.5)))
    assert (view.percent, view.count) == (50, "500/1,000")
    assert view.parts == (
        "10.0 items/s",
        "0:50 left",
        "waiting for the token window, 12 s",
        "12 failed (8 refusal, 4 length)",
        "1 not attempted",
        "10 of 10 in flight",
        "$1.25 of about $2.82",
        "5.1M tokens in, 999 out",
        "3 throttled",
        "100 without a call",
    )


def test_a_free_place_is_nothing_to_wait_for() -> None:
    view = view_of(progress(1, 1.0, waiting_for="a free place"), Pace())
    assert not [part for part in view.parts if "waiting" in part]


def test_a_view_is_never_at_its_end() -> None:
    view = view_of(progress(1000, 10.0), Pace())
    assert (view.percent, view.parts[0]) == (99, "writing ...")
    assert view_of(progress(999_999, 1.0, total=1_000_000), Pace()).percent == 99
    assert view_of(progress(7, 10.0, total=None), Pace(), writing=True).parts[0] == "writing ..."


def test_unknown_totals_and_empty_batches() -> None:
    unknown = view_of(progress(1234, 10.0, total=None, cost_usd=0.5), paced((1, 0.5)))
    assert (unknown.percent, unknown.count) == (None, "1,234 items")
    assert "$0.5000" in unknown.parts
    assert not [part for part in unknown.parts if "left" in part or "about" in part]
    assert view_of(progress(0, 0.5, total=0), Pace()).percent is None


def test_the_text_is_of_figures_alone() -> None:
    assert (
        text_of(progress(1000, 10.0), paced((0, 0.5), (1000, 10.5))) == "100.0 items/s; 0:00 left; 10 of 10 in flight"
    )


def test_many_kinds_of_failures_are_cut() -> None:
    assert failures_text(0, {}) == ""
    assert failures_text(15, {code: n for n, code in enumerate("abcdef")}) == "15 failed (5 f, 4 e, 3 d, 2 c, ...)"


def test_totals_name_an_error_by_its_class_only() -> None:
    summary = finished(stopped="QuotaExhaustedError: MESSAGE", from_journal=500, not_attempted=0, cost_usd=3.5).summary
    assert totals_of(summary) == (
        "1,000 items in 0:12 (40.0 items/s): 988 ok",
        "12 failed (8 refusal, 4 length)",
        "stopped by QuotaExhaustedError",
        "500 without a call",
        "1,004 calls",
        "$3.50",
    )
    assert totals_of(finished(total=0, ok=0, failed=0, failures={}, calls=0, elapsed_s=0.0).summary) == (
        "0 items in 0:00: 0 ok",
    )


@pytest.mark.parametrize(
    ("seconds", "text"), [(7, "0:07"), (750.4, "12:30"), (10_929, "3:02:09"), (183_600, "2 d 03:00:00")]
)
def test_durations(seconds: float, text: str) -> None:
    assert totals_of(finished(elapsed_s=seconds).summary)[0].startswith(f"1,000 items in {text} ")
