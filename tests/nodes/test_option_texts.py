"""nodes/option_texts.py is up to date with docs/options.md; see tests/docs/option_texts.py."""

import ast

from kaizen_batch import BatchConfig
from kaizen_batch.nodes.option_texts import OPTION_TEXTS
from tests.docs.option_texts import TARGET, source


def test_the_texts_are_those_of_the_page() -> None:
    written = ast.parse(TARGET.read_text(encoding="utf-8"))
    assert ast.dump(written) == ast.dump(ast.parse(source())), "run: python -m tests.docs.option_texts"
    assert set(OPTION_TEXTS) == set(BatchConfig.model_fields)
