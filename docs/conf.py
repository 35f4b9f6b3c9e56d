"""How Sphinx builds the documentation: `make docs`. Nothing here needs a network."""

import os
import sys
import tomllib
from pathlib import Path

import matplotlib as mpl
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sphinx_gallery.sorting import ExplicitOrder

import sklstm

sys.path.append(str(Path(__file__).parent / "_ext"))

# The gallery runs the examples: no window, and no progress bar among Sphinx's messages.
mpl.use("agg")
os.environ["TQDM_DISABLE"] = "1"

project = "sklstm"
author = "The sklstm developers"
project_copyright = f"2026, {author}"
version = release = sklstm.__version__
pyproject = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())

extensions = [
    "links",
    "mathml",
    "not_searched",
    "numpydoc",
    "parameter_groups",
    "short_names",
    "sidebar",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
]
# MathJax would come from another host; see _ext/mathml.py.
html_math_renderer = "mathml"
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

# The gallery in the order of its pages, by section. A new example without a line here comes last.
EXAMPLES = {
    "first_steps": ["japanese_vowels", "sensor_windows", "intents"],
    "data": ["imbalance", "multilabel_tags", "remaining_life", "static_columns"],
    "training": ["training_curves", "search"],
    "results": ["look_before_you_fit", "explanations"],
    "decisions": ["calibration", "costs", "dont_know", "prediction_sets", "early_classification"],
}
sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"plot_.*\.py",
    # A class of this file could not be pickled with the configuration.
    "subsection_order": ExplicitOrder([*(f"examples/{section}" for section in EXAMPLES), "*"]),
    "within_subsection_order": ExplicitOrder(
        [*(f"plot_{name}.py" for names in EXAMPLES.values() for name in names), "*"]
    ),
    "write_computation_times": False,
    "show_memory": False,
    # A figure that is shown needs no "<... object at 0x...>" below it.
    "ignore_repr_types": r"matplotlib|Display",
}

# Quotes in a docstring are code more often than speech.
smartquotes = False

html_theme = "pydata_sphinx_theme"
html_title = "sklstm"
html_show_sourcelink = False
html_theme_options = {
    "header_links_before_dropdown": 5,  # all of them
    "navbar_align": "left",
    "navbar_end": ["theme-switcher", "navbar-icon-links"],
    "icon_links": [
        {
            "name": "GitHub",
            "url": pyproject["project"]["urls"]["Source"],
            "icon": "fa-brands fa-github",
        }
    ],
    "footer_start": ["release", "copyright", "sphinx-version"],
    "navigation_depth": 3,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "show_prev_next": False,
}
# Dark where the reader's system is. The theme's own default is the same, with a warning.
html_context = {"default_mode": "auto"}
# Without a button that folds it away.
html_sidebars = {"**": ["sidebar-nav-bs"]}
# Read the Docs keeps the versions side by side. Elsewhere there is one, and a browser that opens it
# as a file would report an error for the list of versions, which a script fetches.
if "READTHEDOCS_VERSION" in os.environ:
    html_theme_options |= {
        "check_switcher": False,
        "navbar_end": ["version-switcher", *html_theme_options["navbar_end"]],
        # Of the newest version, whichever is read: old ones do not know what came after them.
        "switcher": {
            "json_url": "/en/latest/_static/switcher.json",
            "version_match": os.environ["READTHEDOCS_VERSION"],
        },
    }
html_static_path = ["_static"]
html_css_files = ["custom.css"]
# What a block printed is not to be pasted.
copybutton_selector = "div.highlight:not(.highlight-output *) pre"
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
