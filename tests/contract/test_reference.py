"""The reference: what it lists, how parameters are grouped, and what scikit-learn links to it."""

import html
import importlib.util
import inspect
import re
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple
from urllib.parse import unquote

import pytest
from docutils import nodes
from numpydoc.docscrape import ClassDoc
from sklearn.base import BaseEstimator

from sklstm import LSTMSequenceClassifier, LSTMSequenceRegressor
from sklstm._compat._sklearn import DOCUMENTATION
from tests.contract.test_public_names import PUBLIC
from tests.helpers import make_ragged

DOCS = Path(__file__).parents[2] / "docs"
ESTIMATORS = [LSTMSequenceClassifier, LSTMSequenceRegressor]
LINKED = [
    thing
    for module in ("sklstm", "sklstm.preprocessing")
    for name in PUBLIC[module]
    if inspect.isclass(thing := getattr(importlib.import_module(module), name))
    and issubclass(thing, BaseEstimator)
]


def listed():
    """Full names in the tables of the reference's index, in their order."""
    module, names, in_table = "", [], False
    for line in (DOCS / "reference/index.rst").read_text().splitlines():
        if line.startswith(".. currentmodule::"):
            module = line.split()[-1]
        elif line.startswith(".. autosummary::"):
            in_table = True
        elif line and not line.startswith(" "):
            in_table = False
        elif in_table and re.fullmatch(r"   [\w.]+", line):
            names.append(f"{module}.{line.strip()}")
    return names


def test_the_reference_lists_every_public_name_once():
    public = {
        f"{module}.{name}"
        for module, names in PUBLIC.items()
        for name in names
        if callable(getattr(importlib.import_module(module), name))
    }
    assert sorted(listed()) == sorted(public)
    assert "SKOPS_TRUSTED" in (DOCS / "reference/index.rst").read_text()


def extension_of(name):
    """An extension of Sphinx beside the configuration of the documentation."""
    spec = importlib.util.spec_from_file_location(name, DOCS / "_ext" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def extension():
    return extension_of("parameter_groups")


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_every_parameter_is_in_one_group_and_has_a_page_of_the_guide(extension, estimator):
    grouped = [name for group in extension.GROUPS.values() for name in group]
    parameters = list(inspect.signature(estimator).parameters)
    assert [name for name in grouped if name in parameters] == parameters
    pages = {page for group in extension.GROUPS.values() for page in group.values()}
    assert [page for page in pages if not (DOCS / f"user_guide/{page}.rst").exists()] == []
    assert f"sklstm.{estimator.__name__}" in extension.ESTIMATORS


def test_headings_and_links_are_put_around_the_parameters(extension):
    lines = [
        ":Parameters:", "", "    **hidden_sizes** : int", "        Units.", "",
        "    **standardize** : bool", "        Whether.", "", "        - True: yes", "",
        ":Attributes:",
    ]  # fmt: skip
    extension.group_parameters(None, "class", "sklstm.LSTMSequenceClassifier", None, None, lines)
    text = "\n".join(lines)
    assert "    .. rubric:: Network\n\n    **hidden_sizes**" in text
    assert "        Units.\n        See :doc:`/user_guide/architectures`.\n" in text
    assert "        - True: yes\n\n        See :doc:`/user_guide/inputs`.\n\n:Attributes:" in text


def links(text):
    """Names and addresses of the links of parameters and attributes in scikit-learn's display."""
    pattern = r'<a class="param-doc-link"[^>]*href="([^"]+)">\s*(\w+)'
    return {name: html.unescape(address) for address, name in re.findall(pattern, text)}


@pytest.mark.parametrize("thing", LINKED)
def test_the_display_of_scikit_learn_links_to_a_page_of_the_reference(thing):
    address = thing()._get_doc_link()
    page, _, suffix = address.removeprefix(f"{DOCUMENTATION}reference/generated/").rpartition(".")
    assert address.startswith(DOCUMENTATION)
    assert suffix == "html"
    assert page in listed()
    assert f'href="{address}"' in thing()._repr_html_()


@pytest.mark.parametrize("thing", LINKED)
def test_the_display_links_every_parameter_to_its_line_in_the_reference(thing):
    types = {parameter.name: parameter.type for parameter in ClassDoc(thing)["Parameters"]}
    found = links(thing()._repr_html_())
    assert sorted(found) == sorted(thing().get_params())
    for name, address in found.items():
        page, _, fragment = address.partition("#:~:text=")
        assert page == thing()._get_doc_link()
        # What a browser looks for: the name, followed by the type.
        assert unquote(fragment) == f"{name},-{types[name]}"


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_the_display_links_every_fitted_attribute(estimator):
    X, _ = make_ragged(12)
    fitted = estimator(2, max_epochs=1, n_kernels=0).fit(X, [0, 1] * 6)
    public = {name for name in vars(fitted) if name.endswith("_") and not name.startswith("_")}
    assert public <= set(links(fitted._repr_html_()))


def test_a_class_of_somebody_else_has_no_link_into_this_documentation():
    class Mine(LSTMSequenceClassifier):
        pass

    assert Mine()._get_doc_link() == ""


def test_all_addresses_of_the_documentation_are_the_same():
    project = tomllib.loads((DOCS.parent / "pyproject.toml").read_text())["project"]
    urls = [url for url in project.get("urls", {}).values() if "readthedocs" in url]
    texts = [path.read_text() for path in (*DOCS.parent.glob("*.md"), *DOCS.parent.glob("*.cff"))]
    pattern = r"https://sklstm\.readthedocs\.io[^\s)>\"']*"
    urls += [url for text in texts for url in re.findall(pattern, text)]
    assert [url for url in urls if not (url + "/").startswith(DOCUMENTATION)] == []


class Entry(NamedTuple):
    docname: str
    node_id: str
    aliased: bool = False


def test_a_short_name_is_a_link_if_it_is_the_only_one_of_its_kind():
    objects = {
        "sklstm.nn.LSTMLayer": Entry("layer", "id-of-layer"),
        "sklstm.nn._encoder.LSTMLayer": Entry("layer", "id-of-layer", aliased=True),
        "sklstm.nn.LSTMLayer.forward": Entry("layer", "forward"),
        "sklstm.nn.DenseHead.forward": Entry("head", "forward"),
    }
    builder = SimpleNamespace(get_relative_uri=lambda _from, to: f"{to}.html")
    app = SimpleNamespace(builder=builder)
    env = SimpleNamespace(get_domain=lambda _: SimpleNamespace(objects=objects), docname="page")

    def link_of(name, kind="obj"):
        node = {"reftype": kind, "reftarget": name, "refdoc": "page"}
        return extension_of("short_names").resolve(app, env, node, nodes.Text(name))

    assert link_of("LSTMLayer")["refuri"] == "layer.html#id-of-layer"
    assert link_of("forward") is None
    assert link_of("Missing") is None
    assert link_of("LSTMLayer", kind="meth") is None
