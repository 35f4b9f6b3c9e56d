"""How many files a change touches; made on a copy of the tree."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYTEST = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")
COPIED = ("CONTRIBUTING.md", "docs/reference/index.rst", "pyproject.toml", "sklstm", "tests")


@pytest.fixture
def copy(tmp_path):
    for name in COPIED:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(
                ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__")
            )
        else:
            shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def run(folder, *command, **options):
    # git must not take the copy for a part of a repository around it.
    environment = {
        **os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1",
        "GIT_CEILING_DIRECTORIES": str(folder.parent), "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    done = subprocess.run(  # noqa: S603
        command, cwd=folder, env=environment, capture_output=True, text=True, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_example_of_contributing_works(copy):
    text = (copy / "CONTRIBUTING.md").read_text()
    (diff,) = re.findall(r"```diff\n(.*?)```", text, flags=re.DOTALL)
    run(copy, "git", "apply", "-C1", input=diff)
    assert "SumPooling" in (copy / "docs/reference/index.rst").read_text()
    files = ("nn/test_pooling", "contract/test_public_names", "contract/test_invariants")
    passed = run(
        copy, *PYTEST, *(f"tests/{file}.py" for file in files),
        "-k", "by_hand or methods or signatures or (public_names and nn)"
        " or (padding and sum-True and not 5)",
    )  # fmt: skip
    assert int(re.search(r"(\d+) passed", passed)[1]) >= 15


# Each file of the package, and what is replaced in it.
OPTION = {
    "_classifier.py": [
        (
            "    embedding_dim : int, default=None\n",
            "    halve_outputs : bool, default=False\n        Whether logits are halved.\n"
            "    embedding_dim : int, default=None\n",
        ),
        (
            "        embedding_dim: int | None = None,\n",
            "        halve_outputs: bool = False,\n        embedding_dim: int | None = None,\n",
        ),
        (
            "        self.embedding_dim = embedding_dim\n",
            "        self.halve_outputs = halve_outputs\n"
            "        self.embedding_dim = embedding_dim\n",
        ),
    ],
    "_config/_options.py": [
        (
            "    dropout: float =",
            '    halve_outputs: bool = option(False, "boolean", shapes_weights=True)\n'
            "    dropout: float =",
        )
    ],
    "nn/_network.py": [
        (
            "        dropout: float = 0.0,\n",
            "        dropout: float = 0.0,\n        halve_outputs: bool = False,\n",
        ),
        (
            "        self.precision = precision\n",
            "        self.precision = precision\n        self.factor = 1 - 0.5 * halve_outputs\n",
        ),
        (
            "        logits_BC: Tensor = self.head(pooled_BD)\n",
            "        logits_BC: Tensor = self.factor * self.head(pooled_BD)\n",
        ),
    ],
}

PROGRAM = """
import pickle

import numpy as np
import torch
from sklearn.base import clone

from sklstm import load_model, save_model
from tests.helpers import make_ragged, quick

X, y = make_ragged(20)
brief = quick(max_epochs=1, learning_rate=1e-12)
plain, halved = (clone(brief).set_params(halve_outputs=h).fit(X, y) for h in (False, True))
np.testing.assert_allclose(2 * halved.decision_function(X), plain.decision_function(X), rtol=1e-5)
save_model(halved, "model")
for again in (load_model("model"), pickle.loads(pickle.dumps(halved)), clone(halved).fit(X, y)):
    assert again.halve_outputs
    np.testing.assert_array_equal(again.predict_proba(X), halved.predict_proba(X))
for change, expected in (
    ({"halve_outputs": False, "warm_start": True}, "'halve_outputs' was True, got False"),
    ({"halve_outputs": "yes"}, "'halve_outputs' parameter of LSTMSequenceClassifier must be"),
):
    try:
        halved.set_params(**change).fit(X, y)
    except ValueError as error:
        assert expected in str(error), error
    else:
        raise AssertionError(change)
"""


def test_an_option_of_the_network_is_three_files(copy):
    """Files, warm start, clones and the check of parameters follow from its field."""
    for name, replacements in OPTION.items():
        path = copy / "sklstm" / name
        text = path.read_text()
        for old, new in replacements:
            assert old in text, (name, old)
            text = text.replace(old, new, 1)
        path.write_text(text)
    run(copy, sys.executable, "-c", PROGRAM)
    assert len(OPTION) <= 3
