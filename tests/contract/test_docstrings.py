"""Docstrings against signatures, defaults and fitted attributes."""

import ast
import dataclasses
import importlib
import inspect
import re

import numpy as np
import pandas as pd
import pytest
from numpydoc.docscrape import ClassDoc, FunctionDoc

from sklstm import LSTMSequenceClassifier, LSTMSequenceRegressor
from sklstm._config._options import CHOICES
from tests.contract.test_public_names import PUBLIC
from tests.helpers import quick

CALLABLES = {
    f"{module}.{name}": getattr(importlib.import_module(module), name)
    for module, names in PUBLIC.items()
    for name in names
    if callable(getattr(importlib.import_module(module), name))
}
ESTIMATORS = [LSTMSequenceClassifier, LSTMSequenceRegressor]
OWN_METHODS = [
    method
    for estimator in ESTIMATORS
    for name, method in inspect.getmembers(estimator, callable)
    if not name.startswith("_") and method.__module__.startswith("sklstm.")
]


def documented_parameters(documentation, section="Parameters"):
    names = {}
    for parameter in documentation[section]:
        for name in parameter.name.split(", "):
            names[name] = parameter.type
    return names


def signature_of(thing):
    parameters = inspect.signature(thing).parameters
    return {name: p for name, p in parameters.items() if name not in ("self", "args", "kwargs")}


@pytest.mark.parametrize("name", CALLABLES)
def test_parameters_and_defaults_are_those_of_the_signature(name):
    thing = CALLABLES[name]
    if isinstance(thing, type) and issubclass(thing, Exception):
        assert thing.__doc__
        return
    document = ClassDoc if isinstance(thing, type) else FunctionDoc
    # Nobody builds a record by hand: its fields are documented as what they are to its reader.
    section = "Attributes" if dataclasses.is_dataclass(thing) else "Parameters"
    documented, actual = documented_parameters(document(thing), section), signature_of(thing)
    assert list(documented) == list(actual)
    for parameter, description in documented.items():
        default = actual[parameter].default
        if default is inspect.Parameter.empty:
            assert "default" not in description, parameter
        elif ", default=" in description:
            stated = description.rpartition("default=")[2]
            if stated.startswith(("0.", "1e-", 'r"')):
                stated = str(ast.literal_eval(stated))
            assert str(default) in (stated, stated.strip('"'), *stated.split(", ")), parameter


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_every_default_of_an_estimator_is_stated(estimator):
    for parameter, description in documented_parameters(ClassDoc(estimator)).items():
        assert ", default=" in description, parameter


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_every_choice_of_an_estimator_is_listed(estimator):
    types = documented_parameters(ClassDoc(estimator))
    assert types.keys() == estimator().get_params().keys()
    for parameter, kind in types.items():
        stated = set(re.findall(r'"(\w+)"', kind.partition("default=")[0]))
        assert stated == set(CHOICES[parameter]), parameter


@pytest.mark.parametrize("method", OWN_METHODS, ids=lambda m: m.__qualname__)
def test_methods_document_their_parameters_and_results(method):
    documentation = FunctionDoc(method)
    assert list(documented_parameters(documentation)) == list(signature_of(method))
    assert documentation["Returns"]


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_every_fitted_attribute_is_documented_and_every_documented_one_exists(estimator):
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(20, 4)), columns=list("abcd"))
    fitted = estimator(2, max_epochs=2).fit(frame, [0, 1] * 10)
    actual = {name for name in vars(fitted) if name.endswith("_") and not name.startswith("_")}
    documented = {attribute.name for attribute in ClassDoc(estimator)["Attributes"]}
    assert actual == documented


def test_the_history_has_the_figures_that_are_documented():
    X, y = np.random.default_rng(0).normal(size=(20, 4)), [0, 1] * 10
    text = " ".join(LSTMSequenceClassifier.__doc__.split())
    description = text.partition("one row per epoch: ")[2].partition("pandas.DataFrame")[0]
    stated = set(re.findall(r"``(\w+)``", description)) - {"early_stopping", "X_val"}
    assert stated == set(quick(max_epochs=2, early_stopping=True).fit(X, y).history_)
