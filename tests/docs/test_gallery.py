"""The gallery's order in docs/conf.py, and the width of its code."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "docs/examples").glob("*/plot_*.py"))


def listed_examples():
    """Paths of the examples in the order of conf.py, which runs much else when it is imported."""
    for node in ast.parse((ROOT / "docs/conf.py").read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "EXAMPLES":
            sections = ast.literal_eval(node.value)
    return [f"{section}/plot_{name}.py" for section, names in sections.items() for name in names]


def test_each_example_has_its_place():
    assert sorted(listed_examples()) == [str(Path(*file.parts[-2:])) for file in FILES]


def test_the_demo_is_the_first_example():
    assert f"docs/examples/{listed_examples()[0]}\n" in (ROOT / "Makefile").read_text()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_code_fits_the_column(file):
    text = file.read_text()
    code = text[text.index('"""', 3) :].splitlines()  # without the text at the top
    assert [line for line in code if len(line) > 79 and not line.startswith("#")] == []
