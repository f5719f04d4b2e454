"""Batches of a provider in words."""

from kaizen_batch.journal.batches import Batch
from kaizen_batch.results.texts.batches import batch_lines, batches_text, figures_of, states_text

NOW = 10_000.0


def batch(number: int, state: str = "submitted", **more: object) -> Batch:
    given = {"rows": 5000, "remote_id": f"batch_{number}", "begun_at": NOW - 3600, **more}
    return Batch(id=number, intent=f"intent-{number}", endpoint="http://x/v1", model="m", state=state, **given)  # type: ignore[arg-type]


def test_an_open_batch_says_how_far_it_is_and_what_is_at_risk() -> None:
    counts = {"status": "in_progress", "completed": 1200}
    open_one = batch(1, counts=counts, expires_at=NOW + 7200, at_risk_usd=1.5)
    [line] = batch_lines(figures_of([open_one]), NOW)
    assert (line.label, line.text) == (
        "batches",
        "batch_1: 5,000 rows, in progress, 1,200 done, made 1 h 00 min ago, expires in 2 h 00 min,"
        " at most $1.50 at risk",
    )


def test_one_that_was_not_made_yet_is_named_by_its_intent() -> None:
    [line] = batch_lines(figures_of([batch(1, "ready", remote_id=None)]), NOW)
    assert line.text == "intent-1: 5,000 rows, not uploaded yet, made 1 h 00 min ago"


def test_those_that_are_over_are_one_line() -> None:
    over = [batch(1, "collected"), batch(2, "collected", rows=10), batch(3, "dropped")]
    assert [line.text for line in batch_lines(figures_of(over), NOW)] == ["5,010 rows collected from earlier batches"]
    assert list(batch_lines([], NOW)) == []


def test_many_are_cut_short() -> None:
    lines = list(batch_lines(figures_of([batch(number) for number in range(25)]), NOW))
    assert (len(lines), lines[-1].text) == (21, "and 5 more")


def test_several_in_one_sentence() -> None:
    text = states_text({"validating": 1, "in_progress": 2}, 15_000, 1200)
    assert text == "3 batches (2 in progress, 1 validating), 1,200 of 15,000 rows done"
    assert [batches_text(1), batches_text(1000)] == ["1 batch", "1,000 batches"]
