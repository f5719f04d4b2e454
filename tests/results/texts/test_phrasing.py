"""Texts in the words of whoever reads them."""

from kaizen_batch.results.texts.phrasing import phrased, phrasing


def test_texts_are_phrased_inside_of_the_block_only() -> None:
    assert phrased("raise budget_usd") == "raise budget_usd"
    with phrasing(str.upper):
        assert phrased("raise budget_usd") == "RAISE BUDGET_USD"
        with phrasing(str.title):
            assert phrased("raise budget_usd") == "Raise Budget_Usd"
    assert phrased("raise budget_usd") == "raise budget_usd"
