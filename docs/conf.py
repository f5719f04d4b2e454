"""The documentation as a website: Sphinx, built by `make docs`. Nothing in it comes from the network."""

import kaizen_batch

project = "kaizen-batch"
version = release = kaizen_batch.__version__
project_copyright = "kaizen-batch contributors"

extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["README.md"]  # index.rst includes it
myst_heading_anchors = 3  # links such as limits.md#shared-keys

default_role = "code"  # docstrings mark code with single backticks, as Markdown does
autodoc_default_options = {"members": True, "show-inheritance": True, "member-order": "bysource"}
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
add_module_names = False
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 100

html_theme = "furo"
html_title = f"kaizen-batch {version}"
html_show_sphinx = False
html_copy_source = False
html_show_search_summary = False  # a summary would be fetched, which a browser refuses for a page on the disk
