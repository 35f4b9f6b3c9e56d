import numpy as np
import pandas as pd
import pytest

from sklstm.datasets._checked import read
from sklstm.preprocessing import TokenEncoder

OPTIONS = {"mask_value": None, "token_ids": False, "task": "auto"}


@pytest.mark.parametrize(
    ("X", "kind"),
    [
        (["a b", "c"], "texts"),
        (np.array(["a b", "c"]), "texts"),
        (np.array(["a b", "c"], dtype=object), "texts"),
        (pd.Series(["a b", "c"]), "texts"),
        (TokenEncoder().fit_transform(["a b", "c"]), "token ids"),
        (np.zeros((2, 3)), "numbers"),
        (pd.DataFrame({"a": [1.0, 2.0], "b": [1.0, 2.0]}), "numbers"),
    ],
)
def test_the_kind_of_timesteps(X, kind):
    assert read(X, None, None, **OPTIONS).kind == kind


def test_integers_are_token_ids_if_that_is_said():
    X = [[1, 2], [3]]
    assert read(X, None, None, **OPTIONS | {"token_ids": True}).names == ["token"]


def test_features_are_named_by_X_and_timesteps_are_not_features():
    frames = [pd.DataFrame({"a": [1.0], "b": ["on"]})] * 2
    assert read(frames, None, None, **OPTIONS).names == ["a", "b"]
    table = pd.DataFrame({"monday": [1.0, 2.0], "tuesday": [1.0, 2.0]})
    assert read(table, None, None, **OPTIONS).names == ["x0"]


def test_static_columns_are_not_features_either():
    table = pd.DataFrame({"age": [1, 2], "pulse": [[1.0], [2.0, 3.0]]})
    given = read(table, None, None, **OPTIONS)
    assert given.names == ["pulse"]
    assert given.static_names == ["age"]
