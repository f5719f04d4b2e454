"""docs/notebook.ipynb shows what its cells show, and is a notebook."""

import json

from tests.docs.notebook import CELLS, PAGE, masked, notebook


def test_the_notebook_shows_what_its_cells_show() -> None:
    shown = json.loads(PAGE.read_text(encoding="utf-8"))
    assert masked(shown) == masked(notebook()), "run: python -m tests.docs.notebook"


def test_it_has_outputs_and_never_all_rows() -> None:
    page = json.loads(PAGE.read_text(encoding="utf-8"))
    assert (page["nbformat"], len(page["cells"])) == (4, len(CELLS))
    code = [cell for cell in page["cells"] if cell["cell_type"] == "code"]
    [result] = [output for output in code[1]["outputs"] if output["output_type"] == "execute_result"]
    table = "".join(result["data"]["text/html"])
    assert table.count("<tr>") == 6 and "and 195 more in .results" in table
    assert "200 done" in "".join(result["data"]["text/plain"])
