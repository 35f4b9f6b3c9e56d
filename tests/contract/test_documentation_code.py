"""The code of the README and of the user guide runs, and prints what it is said to print.

A page shows what a block prints in a ``.. code-block:: output`` after it. Numbers with decimals may
differ by one unit of their last digit, for another processor rounds otherwise. With
``:class: varies`` they may differ at will: times, and what depends on the machine. ``...`` in an
output stands for any text. A comment ``.. setup`` holds code that is run but not shown.
"""

import math
import re
import textwrap
from itertools import zip_longest
from pathlib import Path

import matplotlib as mpl
import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs/user_guide").glob("*.rst"))

BLOCK = re.compile(
    r"^(?P<indent> *)\.\. (?:code-block:: (?P<language>python|output)|(?P<setup>setup))\n"
    r"(?P<options>(?:(?P=indent) {3,}:.*\n)*)\n"
    r"(?P<body>(?:(?P=indent)   .*\n|\n)+)",
    flags=re.M,
)
NUMBER = re.compile(r"[-+]?(?:\d+\.\d*|\.\d+)(?:e[-+]?\d+)?|[-+]?\d+e[-+]?\d+")
ANY_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?")

mpl.use("agg")


def blocks_of(text):
    """Language, whether its numbers vary, and body of each block, in the order of the page."""
    return [
        (
            match["language"] or "python",
            ":class: varies" in match["options"],
            textwrap.dedent(match["body"]).strip("\n") + "\n",
        )
        for match in BLOCK.finditer(text)
    ]


def code_blocks(path):
    """The Python code of a page, block by block."""
    return [body for language, _, body in blocks_of(path.read_text()) if language == "python"]


def unit_of_last_digit(number):
    """0.94 -> 0.01, 1.5e-05 -> 1e-06, and infinite for numpy's "1." beside 0.25."""
    mantissa, _, exponent = number.partition("e")
    if mantissa.endswith("."):
        return math.inf
    decimals = len(mantissa.partition(".")[2])
    return 10.0 ** (int(exponent or 0) - decimals)


def spaced(text, number):
    """One space between words and around numbers, and none within numpy's brackets."""
    words = " ".join(number.sub(r" \g<0> ", text).split())
    return re.sub(r"(?<=[\[(]) | (?=[\]),])", "", words)


def check_output(shown, printed, varies=False):
    """Raise an AssertionError unless `printed` is what a page shows as `shown`."""
    number = ANY_NUMBER if varies else NUMBER
    parts = re.split(rf"({number.pattern}|\.\.\.)", spaced(shown, number))
    groups = [".*" if part == "..." else f"({number.pattern})" for part in parts[1::2]]
    pattern = "".join(map("".join, zip_longest(map(re.escape, parts[::2]), groups, fillvalue="")))
    found = re.fullmatch(pattern, spaced(printed, number), flags=re.DOTALL)
    if not found:
        # As a comparison: pytest shows the difference.
        assert printed == shown
    if varies:
        return
    expected_numbers = [part for part in parts[1::2] if part != "..."]
    for expected, got in zip(expected_numbers, found.groups(), strict=True):
        unit = min(unit_of_last_digit(expected), unit_of_last_digit(got))
        tolerance = 1.01 * unit if math.isfinite(unit) else 0
        assert float(got) == pytest.approx(float(expected), rel=0, abs=tolerance), printed


def run_page(text, name, capsys):
    """Run the blocks of a page one after another, and compare what they print."""
    namespace = {"__name__": "__main__"}
    printed = ""
    for number, (language, varies, body) in enumerate(blocks_of(text)):
        if language == "output":
            check_output(body, printed, varies)
            continue
        exec(compile(body, f"{name}, block {number}", "exec"), namespace)  # noqa: S102
        printed = capsys.readouterr().out


@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.name)
def test_the_blocks_of_a_page_run_one_after_another_and_print_what_is_shown(path, capsys):
    text = path.read_text()
    assert any(language == "python" for language, _, _ in blocks_of(text))
    # The same directives with another indent or a tab would be passed over in silence.
    named = re.findall(r"\.\. (?:code-block:: (?:python|output)$|setup$)", text, flags=re.M)
    assert len(named) == len(blocks_of(text))
    run_page(text, path.name, capsys)


@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.name)
def test_the_code_of_a_page_fits_its_column(path):
    lines = [line for block in code_blocks(path) for line in block.splitlines()]
    assert [line for line in lines if len(line) > 79] == []


PAGE = """
.. setup

   x = 1 / 3

Text.

.. code-block:: python
   :emphasize-lines: 1

   print("a third is", round(x, 3))

.. code-block:: output

   {}

- item

  .. code-block:: python

     print(x)
"""


@pytest.mark.parametrize(
    "shown", ["a third is 0.333", "a third is 0.334", "a third  is\n   0.332", "a ... 0.333", "..."]
)
def test_an_output_that_a_page_may_show(shown, capsys):
    run_page(PAGE.format(shown), "page", capsys)


@pytest.mark.parametrize(
    "shown",
    [
        "a third is 0.335",
        "third is 0.333",
        "a third is 0.33",
        "... fourth ...",
        "a ... is",
        "a ... 0.335",
    ],
)
def test_an_output_that_a_page_may_not_show(shown, capsys):
    with pytest.raises(AssertionError):
        run_page(PAGE.format(shown), "page", capsys)


@pytest.mark.parametrize(
    ("shown", "printed", "varies"),
    [
        ("[0.5  0.25]", "[0.5   0.251]", False),
        ("[ 0.9  -0.05]", "[0.91 -0.05]", False),
        ("loss 1.2e-05", "loss 1.3e-05", False),
        ("-0.00", "0.00", False),
        ("[1.   0.25]", "[0.99 0.25]", False),
        ("3 of 50 in 0.31 s", "3 of 50 in 0.30 s", False),
        ("3 of 50 in 0.31 s", "3 of 50 in 12 s", True),
    ],
)
def test_outputs_that_agree(shown, printed, varies):
    check_output(shown, printed, varies)


@pytest.mark.parametrize(
    ("shown", "printed", "varies"),
    [
        ("3 of 50", "4 of 50", False),
        ("after epoch 3.", "after epoch 4.", False),
        ("loss 1.2e-05", "loss 1.4e-05", False),
        ("loss 1.2e-05", "loss 1.2e-04", False),
        ("0.5 0.6", "0.5", False),
        ("in 0.31 s", "in 0.31 min", True),
    ],
)
def test_outputs_that_differ(shown, printed, varies):
    with pytest.raises(AssertionError):
        check_output(shown, printed, varies)


def blocks_of_readme():
    """Code and output in turns."""
    text = (ROOT / "README.md").read_text()
    found = re.findall(r"^```(python|text)\n(.*?)^```$", text, flags=re.DOTALL | re.M)
    assert [language for language, _ in found] == ["python", "text"] * (len(found) // 2)
    # Another one would not be run.
    assert len(found) == text.count("```python") + text.count("```text") == 4
    return [body for _, body in found]


def test_the_examples_of_the_readme_are_short_and_print_what_they_say(capsys):
    blocks = blocks_of_readme()
    namespace = {"__name__": "__main__"}
    for example, output in zip(blocks[::2], blocks[1::2], strict=True):
        assert len([line for line in example.splitlines() if line.strip()]) <= 12
        exec(compile(example, "README.md", "exec"), namespace)  # noqa: S102
        check_output(output, capsys.readouterr().out)


def test_the_first_page_has_the_examples_of_the_readme():
    shown = blocks_of((ROOT / "docs/index.rst").read_text())
    assert [language for language, _, _ in shown] == ["python", "output"] * 2
    assert [body for _, _, body in shown] == blocks_of_readme()
