"""What a run waited for, added up from its samples."""

from kaizen_batch.results.texts.waits import Waits, reason_of


def test_seconds_are_added_up_by_reason() -> None:
    waits = Waits()
    waits.add(0.5, None)
    for n in range(1, 11):
        waits.add(0.5 + n, f"the token window, {12 - n} s")
    waits.add(12.0, "the endpoint to recover (http://x: refused), 1 s")
    assert waits.longest() == [
        ("the token window", 10.0),
        ("the endpoint to recover (http://x: refused)", 1.5),
    ]


def test_its_own_slots_are_nothing_to_wait_for_and_moments_do_not_count() -> None:
    waits = Waits()
    waits.add(10.0, "a free place")
    waits.add(10.5, "the token window")
    assert waits.longest() == []
    assert (reason_of("a free slot"), reason_of(None)) == ("", "")
