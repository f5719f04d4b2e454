"""A summary in sentences: what happened, why, what to do."""

from typing import Any

from kaizen_batch import BatchSummary
from kaizen_batch.journal import Totals
from kaizen_batch.results.texts.summary import (
    Ending,
    asked_items,
    billing_text,
    failures_text,
    headline,
    retry_helps,
    sentences,
)


def figures(**given: Any) -> dict[str, Any]:
    usual = {"total": 400, "ok": 400, "calls": 400, "elapsed_s": 134.2, "cost_usd": 1.2}
    return BatchSummary(**{**usual, **given}).to_dict()


def texts(job: Totals | None = None, **given: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in sentences(
        figures(**given), Ending("row", job or Totals(spent_usd=4.5), 2, [("the token window", 12.0)], messages=True)
    ):
        found.setdefault(line.label, []).append(line.text)
    return found


def test_the_headline_counts_rows_and_the_speed_of_calls() -> None:
    assert headline(figures(), "row") == "400 rows in 2 min 14 s (3.0/s): 400 done"
    replayed = figures(from_journal=399, elapsed_s=2.0)
    assert asked_items(replayed) == 1
    assert headline(replayed, "row") == "400 rows in 2.0 s (0.5/s): 400 done"
    stopped = figures(ok=100, not_attempted=300, elapsed_s=0.1)
    assert headline(stopped) == "400 items in 100 ms: 100 done, 300 not attempted"
    assert headline(figures(total=1, ok=1, elapsed_s=1.0), "row") == "1 row in 1.0 s (1.0/s): 1 done"


def test_failures_have_the_advice_that_fits_their_code() -> None:
    found = texts(ok=292, failed=108, failures={"refusal": 8, "length": 99, "own_code": 1})
    assert found["failed"] == [
        "99 length (the answer was cut off): raise max_tokens",
        "8 refusal (the model refused): change the prompt, or add a fallback model",
        "1 own_code: see the error of each",
    ]


def test_truncation_and_empty_answers_are_no_plain_success() -> None:
    found = texts(truncated=100)
    assert found["truncated"] == ["100 answers cut off: raise max_tokens, or ask for less text"]


def test_cost_is_given_for_this_run_and_all_runs() -> None:
    assert texts(from_journal=12, throttles=4)["cost"] == ["$1.20 in this run, $4.50 in 2 runs; 400 calls"]
    [alone] = [line for line in sentences(figures(cost_usd=None)) if line.label == "cost"]
    assert alone.text == "unknown (no price for this model); 400 calls"


def test_a_cost_that_is_not_known_is_never_nothing() -> None:
    rerun = {"calls": 0, "cost_usd": 0.0, "from_journal": 400}
    unknown = texts(Totals(unpriced=400), **rerun)["cost"]
    assert unknown == ["$0 in this run, unknown in 2 runs (400 calls without a price); 0 calls"]
    partly = texts(Totals(spent_usd=0.005, unpriced=400))["cost"]
    assert partly == ["$1.20 in this run, at least $0.005 in 2 runs (400 calls without a price); 400 calls"]
    assert texts(Totals(unpriced=1), cost_usd=None)["cost"][0].startswith("unknown in this run, unknown in 2 runs")
    doubtful = texts(Totals(unanswered=5))["billing"]
    assert doubtful == ["5 calls got no answer but may have been billed"]


def test_what_it_waited_for_and_what_may_have_been_paid_twice() -> None:
    found = texts(Totals(unanswered=3, unanswered_usd=0.06, maybe_paid_twice=1), throttles=4)
    assert found["waited"] == ["12 s for the token window; 4 calls throttled by the endpoint"]
    billing = "3 calls got no answer but may have been billed, at most $0.06; 1 of them was sent again, and may be"
    assert found["billing"] == [f"{billing} billed twice"]
    assert (
        billing_text(1, 1, None)
        == "1 call got no answer but may have been billed; it was sent again, and may be billed twice"
    )
    own = [line.text for line in sentences(figures(unanswered=20)) if line.label == "billing"]
    assert own == ["20 calls got no answer but may have been billed"]


def test_an_early_end_says_why_without_class_names_or_library_hints() -> None:
    hints = "raise budget_usd; 3 items of this run are done"
    message = f"BudgetExhaustedError: $4.99 of $5.00 is spent; {hints}"
    assert texts(stopped=message)["stopped"] == ["the budget does not cover the next call: $4.99 of $5.00 is spent"]
    ended = "StoppedError: you pressed Ctrl-C; 3 items of this run are done"
    assert texts(stopped=ended)["stopped"] == ["you pressed Ctrl-C"]
    assert texts(stopped="DeadlineError: the 2 s limit was reached; raise it")["stopped"] == [
        "the 2 s limit was reached"
    ]


def test_only_failures_that_may_pass_advise_to_run_again() -> None:
    assert not retry_helps(figures(failures={"length": 100, "refusal": 1}))
    assert retry_helps(figures(failures={"length": 100, "timeout": 1}))
    assert retry_helps(figures(not_attempted=1))


def test_many_codes_are_cut() -> None:
    assert failures_text({code: n for n, code in enumerate("abcdef", 1)}) == "6 f, 5 e, 4 d, 3 c, ..."
    lines = sentences(figures(failures={f"code_{n}": n for n in range(1, 10)}))
    assert [line.text for line in lines if line.label == "failed"][-1] == "6 with 3 other codes"


def test_what_an_endpoint_says_is_printable() -> None:
    lines = sentences(figures(failures={"\x1b[2J": 1}, stopped="FatalError: \x1b]0;x\x07"), Ending(messages=True))
    assert "\x1b" not in "".join(line.text for line in lines)
