"""The code of the README and of the user guide runs, and prints what it is said to print."""

import re
import textwrap
from pathlib import Path

import matplotlib as mpl
import pytest

ROOT = Path(__file__).parents[2]
PAGES = [*sorted((ROOT / "docs/user_guide").glob("*.rst")), ROOT / "docs/index.rst"]

mpl.use("agg")


def code_blocks(path):
    blocks = re.findall(
        r"^( *)\.\. code-block:: python\n\n((?:\1   .*\n|\n)+)", path.read_text(), flags=re.M
    )
    return [textwrap.dedent(block) for _, block in blocks]


@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.name)
def test_the_blocks_of_a_page_run_one_after_another(path):
    blocks = code_blocks(path)
    namespace = {"__name__": "__main__"}
    for number, block in enumerate(blocks):
        exec(compile(block, f"{path.name}, block {number}", "exec"), namespace)  # noqa: S102
    assert blocks


def test_the_example_of_the_readme_is_short_and_prints_what_it_says(capsys):
    text = (ROOT / "README.md").read_text()
    example, output = re.search(
        r"```python\n(.*?)```\n.*?```text\n(.*?)```", text, flags=re.DOTALL
    ).groups()
    # Another one would not be run.
    assert text.count("```python") == 1
    assert len([line for line in example.splitlines() if line.strip()]) <= 12
    exec(compile(example, "README.md", "exec"), {"__name__": "__main__"})  # noqa: S102
    shown, printed = output, capsys.readouterr().out
    # On another processor a training rounds otherwise: another last digit, and no more than that.
    accuracy = re.compile(r"\d\.\d\d")
    assert accuracy.sub("", printed) == accuracy.sub("", shown)
    (expected,), (got,) = accuracy.findall(shown), accuracy.findall(printed)
    assert float(got) == pytest.approx(float(expected), abs=0.011)
