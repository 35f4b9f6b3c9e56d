"""What users may rely on: changing any of this needs a changelog entry, and this test."""

import importlib
import inspect
import subprocess
import sys

import pytest

import sklstm
from sklstm import LSTMSequenceClassifier, LSTMSequenceRegressor
from tests.contract.api import PATH, public_interface, public_names

PUBLIC = public_names()

METHODS = [
    "decision_function", "fit", "fit_transform", "get_feature_names_out", "get_metadata_routing",
    "get_params", "partial_fit", "predict", "predict_log_proba", "predict_proba", "score",
    "set_callbacks", "set_fit_request", "set_output", "set_params", "set_partial_fit_request",
    "set_score_request", "transform",
]  # fmt: skip


@pytest.mark.parametrize("module", PUBLIC)
def test_public_names(module):
    namespace = importlib.import_module(module)
    assert sorted(namespace.__all__) == sorted(PUBLIC[module])
    for name in PUBLIC[module]:
        assert getattr(namespace, name) is not None


def test_every_public_module_is_listed():
    modules = [name for name in PUBLIC["sklstm"] if inspect.ismodule(getattr(sklstm, name))]
    assert list(PUBLIC) == ["sklstm", *(f"sklstm.{name}" for name in modules)]


def test_signatures_of_all_public_names():
    """After a change that is meant: python -m tests.contract.api, and a line in the changelog."""
    assert PATH.read_text().splitlines() == public_interface().splitlines()


def test_methods():
    assert [name for name in dir(LSTMSequenceClassifier) if not name.startswith("_")] == METHODS
    of_classifiers = {"decision_function", "predict_log_proba", "predict_proba"}
    expected = sorted({*METHODS, "predict_quantiles"} - of_classifiers)
    assert [name for name in dir(LSTMSequenceRegressor) if not name.startswith("_")] == expected


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'sklstm' has no attribute 'LSTM'"):
        _ = sklstm.LSTM
    assert set(dir(sklstm)) == set(PUBLIC["sklstm"])


BROKEN = """
import sys, types
class Broken:
    def find_spec(self, name, path=None, target=None):
        if name == {package!r}:
            from importlib.util import spec_from_loader
            return spec_from_loader(name, self)
    def create_module(self, spec):
        raise {error}
    def exec_module(self, module):
        pass
sys.meta_path.insert(0, Broken())
try:
    from sklstm import {name}
except Exception as caught:
    print(type(caught).__name__, caught)
"""


@pytest.mark.parametrize(
    ("package", "name", "error", "expected"),
    [
        (
            "torch", "LSTMSequenceClassifier", "ImportError('libcudart.so.12: no such file')",
            "ImportError libcudart.so.12: no such file",
        ),
        (
            "skorch", "LSTMSequenceClassifier", "AttributeError('numpy has no attribute product')",
            "ImportError sklstm._classifier cannot be imported: numpy has no attribute product",
        ),
        (
            "scipy.sparse", "preprocessing", "AttributeError('numpy has no attribute product')",
            "ImportError sklstm.preprocessing cannot be imported: numpy has no attribute product",
        ),
        ("torch", "nn", "OSError('no libgomp.so.1')", "OSError no libgomp.so.1"),
    ],
)  # fmt: skip
def test_a_dependency_that_cannot_be_imported_is_reported_as_itself(package, name, error, expected):
    result = run(BROKEN.format(package=package, name=name, error=error))
    assert result.stdout.strip() == expected, result.stderr


def run(program):
    return subprocess.run(  # noqa: S603
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )


def test_importing_the_package_does_not_import_torch():
    result = run("import sys, sklstm; print('torch' in sys.modules, 'sklearn' in sys.modules)")
    assert result.stdout.split() == ["False", "False"]


def test_preprocessing_and_a_report_on_data_do_not_import_torch():
    result = run(
        "import sys, sklstm.preprocessing, sklstm.datasets\n"
        "sklstm.datasets.describe([[1.0, 2.0], [3.0]], [0, 1])\n"
        "print('torch' in sys.modules)"
    )
    assert result.stdout.split() == ["False"]


def test_the_package_works_without_any_optional_dependency():
    result = run("""
import importlib.util, sys
hidden = {"pandas", "polars", "pyarrow", "awkward", "matplotlib", "aeon", "optuna"}
class Hide:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in hidden:
            return importlib.util.spec_from_loader(name, self)
    def create_module(self, spec):
        raise ModuleNotFoundError(f"No module named {spec.name!r}", name=spec.name)
    def exec_module(self, module):
        pass
sys.meta_path.insert(0, Hide())
from sklstm import LSTMSequenceClassifier, preprocessing
from sklstm.datasets import make_trends
X, y = make_trends(20, random_state=0)
model = LSTMSequenceClassifier(4, max_epochs=2, early_stopping=True, verbose=1).fit(X, y)
print(model.predict_proba(X).shape)
""")
    assert result.stdout == "(20, 2)\n", result.stderr
