"""How Sphinx builds the documentation: `make docs`. Nothing here needs a network."""

import os
import sys
from pathlib import Path

import matplotlib as mpl
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sphinx_gallery.sorting import ExplicitOrder

import sklstm

# For parameter_groups and short_names, beside this file.
sys.path.insert(0, str(Path(__file__).parent))

# The gallery runs the examples: no window, and no progress bar among Sphinx's messages.
mpl.use("agg")
os.environ["TQDM_DISABLE"] = "1"

project = "sklstm"
author = "The sklstm developers"
project_copyright = f"2026, {author}"
version = release = sklstm.__version__

extensions = [
    "numpydoc",
    "parameter_groups",
    "short_names",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "_templates", "examples", "serving"]
templates_path = ["_templates"]

# A name in single backticks is a link where the reference has it, and plain code where not.
default_role = "py:obj"
autodoc_typehints = "none"
# "fit()" in the list of contents, without the name of the class.
toc_object_entries_show_parents = "hide"
autosummary_generate = True
# The templates list the members; numpydoc would list torch's and scikit-learn's as well.
numpydoc_show_class_members = False

# By number: the second example before the tenth.
EXAMPLES = sorted(
    (path.name for path in (Path(__file__).parent / "examples").glob("plot_*.py")),
    key=lambda name: int(name.split("_")[1]),
)
sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"plot_.*\.py",
    # A class of this file could not be pickled with the configuration.
    "within_subsection_order": ExplicitOrder(EXAMPLES),
    "write_computation_times": False,
    "show_memory": False,
}

# Quotes in a docstring are code more often than speech.
smartquotes = False

html_theme = "pydata_sphinx_theme"
html_title = "sklstm"
html_show_sourcelink = False
html_theme_options = {
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "show_prev_next": False,
}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
