"""One version, in all places that name it."""

import re
from pathlib import Path

import pytest

import sklstm

ROOT = Path(__file__).parents[2]


def test_the_citation_is_that_of_this_version():
    text = (ROOT / "CITATION.cff").read_text()
    assert re.findall(r"^version: (.*)$", text, flags=re.M) == [sklstm.__version__]


def test_the_changelog_begins_with_this_version():
    headings = re.findall(r"^(\S+)(?: \(.*\))?\n-{3,}$", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert headings[0] == sklstm.__version__


@pytest.mark.parametrize("name", ["CHANGELOG.md", ".github/SECURITY.md"])
def test_what_github_shows_and_the_documentation_includes_reads_the_same_in_both(name):
    """No headings, links or code that only one of Markdown and reStructuredText knows."""
    text = (ROOT / name).read_text()
    assert re.findall(r"^#.*$|\]\(.*?\)|(?<!`)`[^`\n]+`(?!`)", text, re.M) == []


def test_the_version_is_that_of_a_release_or_of_the_state_before_one():
    assert re.fullmatch(r"\d+\.\d+\.\d+(\.dev0|rc\d+)?", sklstm.__version__)
