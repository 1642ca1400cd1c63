"""How Sphinx builds these pages: `make docs`, warnings are errors."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE / "_ext")]

from detector import __version__  # noqa: E402

project = "Hoopoe"
author = "the authors of Hoopoe"
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton", "hoopoe_docs"]
exclude_patterns = ["_build", "_ext"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
smartquotes = False  # would make a dash of the two hyphens of options
nitpick_ignore_regex = [("py:.*", ".*")]  # types of other libraries: their indices are on the internet
copybutton_exclude = ".linenos, .gp, .go"

autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_member_order = "bysource"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False  # "The store: ..." names no type
default_role = "literal"  # names in docstrings stand in single backticks

html_theme = "furo"
html_title = f"Hoopoe {version}"
html_static_path = ["_static"]
html_css_files = ["tables.css"]
html_copy_source = False
