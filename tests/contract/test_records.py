"""Decisions (docs/development/adr): each has a date and a status, and the index lists them all."""

import re
from datetime import date
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs/development/adr"
RECORDS = sorted(FOLDER.glob("0*.rst"))
STATUS = re.compile(
    r"Accepted|Superseded by :doc:`([\w-]+)`|Accepted; partly superseded by :doc:`([\w-]+)`"
)
HEAD = re.compile(r"ADR (\d+): (.+)\n=+\n\n:Date: (\d{4}-\d\d-\d\d)\n:Status: (.+)\n\n")


def head(path):
    """Number, title, date and status at the top of a record."""
    found = HEAD.match(path.read_text())
    assert found, f"{path.name} has no title, date and status at its top"
    return found.groups()


@pytest.mark.parametrize("path", RECORDS, ids=lambda p: p.stem)
def test_a_record_has_its_number_a_date_and_a_status(path):
    number, _, written, status = head(path)
    assert int(number) == int(path.name[:4])
    assert date.fromisoformat(written)
    found = STATUS.fullmatch(status)
    assert found, status
    later = found[1] or found[2]
    assert later is None or (FOLDER / f"{later}.rst").is_file()
    assert later is None or later > path.stem


def test_the_index_lists_every_record_as_it_is():
    row = r" {3}\* - (\d+)\n {5}- :doc:`(.+) <(.+)>`\n {5}- (.+)\n {5}- (.+)\n"
    listed = re.findall(row, (FOLDER / "index.rst").read_text())
    heads = [(path.stem, *head(path)) for path in RECORDS]
    assert listed == [
        (number, title, stem, written, status) for stem, number, title, written, status in heads
    ]


def test_every_record_of_a_trial_is_in_the_documentation():
    page = (ROOT / "docs/benchmarks/trials.rst").read_text()
    included = set(re.findall(r"\.\. include:: \.\./\.\./benchmarks/trials/(\w+\.rst)", page))
    assert included == {path.name for path in (ROOT / "benchmarks/trials").glob("*.rst")}


@pytest.mark.parametrize("path", RECORDS, ids=lambda p: p.stem)
def test_the_tests_that_guard_a_decision_exist(path):
    named = re.findall(r"``(tests/[\w/]+(?:\.py|/))``", path.read_text())
    assert [name for name in named if not (ROOT / name).exists()] == []
