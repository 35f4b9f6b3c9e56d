"""The check of links at the end of a build of the documentation."""

import importlib.util
from pathlib import Path

import pytest

FILE = Path(__file__).parents[2] / "docs/_ext/links.py"

pytest.importorskip("sphinx")


@pytest.fixture(scope="module")
def links():
    spec = importlib.util.spec_from_file_location("links", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def site(tmp_path):
    """A page in a folder beside another page, and a picture."""
    (tmp_path / "guide").mkdir()
    (tmp_path / "picture.png").touch()
    (tmp_path / "first.html").write_text('<h1 id="top">First</h1><a name="old name"></a>')

    def problems(html):
        (tmp_path / "guide/page.html").write_text(html)
        return tmp_path, ["guide/page.html", "first.html"]

    return problems


@pytest.mark.parametrize(
    "html",
    [
        '<a href="../first.html">',
        '<a href="../first.html#top">',
        '<a href="../first.html#old%20name">',
        '<h2 id="here"></h2><a href="#here">',
        '<img src="../picture.png">',
        '<a href="https://scikit-learn.org/stable#anything">',
        '<a href="mailto:someone@example.org">',
        '<link rel="canonical" href="https://example.org/guide/page.html">',
        '<script>fetch("https://example.org")</script>',
    ],
)
def test_links_that_may_stand_in_a_page(links, site, html):
    assert list(links.problems(*site(html))) == []


@pytest.mark.parametrize(
    ("html", "problem"),
    [
        ('<a href="first.html">', "no such page: first.html"),
        ('<a href="../first.html#bottom">', "no such place in the page: ../first.html#bottom"),
        ('<a href="#here">', "no such place in the page: #here"),
        ('<img src="picture.png">', "no such page: picture.png"),
        (
            '<script src="https://cdn.example.org/mathjax.js"></script>',
            "is fetched from another host: https://cdn.example.org/mathjax.js",
        ),
        (
            '<link rel="stylesheet" href="//fonts.example.org/font.css">',
            "is fetched from another host: //fonts.example.org/font.css",
        ),
    ],
)
def test_links_that_may_not_stand_in_a_page(links, site, html, problem):
    assert list(links.problems(*site(html))) == [("guide/page.html", problem)]
