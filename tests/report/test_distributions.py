"""How answers are distributed: values, numbers, lengths."""

from kaizen_batch import StoredAnswer
from kaizen_batch.report.distributions import Distribution, distributions


def of(*texts: str) -> list[Distribution]:
    return distributions(StoredAnswer(text=text) for text in texts)


def test_values_are_counted_by_column_the_most_frequent_first() -> None:
    team, sure = of('{"team": "tech", "sure": true}', '{"team": "billing"}', '{"team": "tech", "sure": null}')
    assert team == ("team", [("tech", 2), ("billing", 1)], 3, "")
    assert sure == ("sure", [("true", 1), ("null", 1)], 2, "")


def test_many_numbers_make_a_histogram() -> None:
    [column] = of(*[f'{{"score": {n / 10}}}' for n in range(101)])
    assert (column.name, column.answers, len(column.bars)) == ("score", 101, 8)
    assert sum(count for _, count in column.bars) == 101
    assert column.bars[0][0] == "0 to 1.25" and column.bars[-1][0] == "8.75 to 10"


def test_whole_numbers_have_whole_bounds() -> None:
    [column] = of(*[f'{{"n": {n}}}' for n in range(1, 41)])
    assert column.bars[0] == ("1 to 5", 5) and column.bars[-1] == ("36 to 40", 5)


def test_texts_that_are_all_different_are_shown_by_their_length() -> None:
    [column] = of(*["x" * n for n in range(1, 25)])
    assert column.name == "result: length" and sum(count for _, count in column.bars) == 24
    assert column.note == "characters; nearly all are different"


def test_rare_values_are_summed_up() -> None:
    [column] = of(*["a"] * 90, *"bcdefghijk")
    assert column.bars[0] == ("a", 90) and column.note == "and 3 other values"


def test_a_function_s_dict_and_a_refusal_without_text() -> None:
    answers = [StoredAnswer(value={"n": 1}), StoredAnswer(refusal="no")]
    assert distributions(answers) == [Distribution("n", [("1", 1)], 1, "")]
