import numpy as np
import pandas as pd
import pytest

from sklstm._files._container import MALFORMED
from sklstm._persistence._transformers import build_transformer, describe_transformer
from sklstm.preprocessing import RollingFeatures, SequenceImputer, SequenceScaler, TokenEncoder

NAN = np.nan
X = [np.array([[1.0, 5.0], [NAN, 5.0], [4.0, 5.0]]), np.array([[2.0, 7.0]])]
TABLE = pd.DataFrame([[1.0, 2.0, 4.0], [0.0, 3.0, 3.0]], columns=["a", "b", "c"])
TEXTS = ["north by north west", "south of the border\n", 'due "north" \ud800']


def there_and_back(step):
    described, left_out = describe_transformer(step)
    assert left_out == []
    return build_transformer(described)


@pytest.mark.parametrize("data", [X, TABLE], ids=["sequences", "table"])
@pytest.mark.parametrize(
    "step",
    [
        *[SequenceScaler(method) for method in ("standard", "minmax", "robust")],
        SequenceScaler("robust", per="sequence"),
        SequenceImputer("median", add_indicator=True, add_time_since=True),
        RollingFeatures(np.int64(2), statistics=["std"], differences=(1, 2), append=False),
        RollingFeatures(statistics=(), differences=3, time_since=True),
    ],
    ids=repr,
)
def test_transformers_of_sequences(step, data):
    step.fit(data)
    again = there_and_back(step)
    for mine, other in zip(again.transform(data), step.transform(data), strict=True):
        np.testing.assert_array_equal(mine, other)
    assert again.get_params() == step.get_params()
    assert vars(again).keys() == vars(step).keys()
    assert list(again.get_feature_names_out()) == list(step.get_feature_names_out())


@pytest.mark.parametrize("method", ["standard", "minmax", "robust"])
@pytest.mark.parametrize("first", [[np.full((2, 2), NAN)], [np.ones((2, 2), np.float32)], X])
def test_scalers_have_all_that_was_measured(method, first):
    scaler = SequenceScaler(method).fit(first)
    again = there_and_back(scaler)
    actual, expected = vars(again.scaler_), vars(scaler.scaler_)
    assert actual.keys() == expected.keys()
    for name in expected:
        np.testing.assert_array_equal(actual[name], expected[name])
        assert getattr(actual[name], "dtype", None) == getattr(expected[name], "dtype", None)


@pytest.mark.parametrize("weight", [None, [0.5, 2.0]])
def test_a_scaler_goes_on_measuring(weight):
    scaler = SequenceScaler().fit(X, sample_weight=weight)
    again = there_and_back(scaler)
    np.testing.assert_array_equal(
        again.partial_fit(X[:1]).scaler_.var_, scaler.partial_fit(X[:1]).scaler_.var_
    )


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"analyzer": "char", "max_length": 5, "cut": "start"},
        {"token_pattern": r"(\w)\w*", "min_df": 0.3},
        {"vocabulary": ["west", "north", "$tuple"]},
        {"vocabulary": {"west": 7, "north": np.int64(3)}},
        {"vocabulary": np.array(["west", "north"])},
    ],
    ids=repr,
)
def test_encoders_of_texts(parameters):
    encoder = TokenEncoder(**parameters).fit(TEXTS)
    again = there_and_back(encoder)
    assert list(again.vocabulary_.items()) == list(encoder.vocabulary_.items())
    assert list(map(list, again.transform(TEXTS))) == list(map(list, encoder.transform(TEXTS)))
    assert again.inverse_transform([[2, 3]]) == encoder.inverse_transform([[2, 3]])
    assert repr(again.get_params()) == repr(encoder.get_params())


def test_a_vocabulary_of_pandas_becomes_a_dict():
    encoder = TokenEncoder(vocabulary=pd.Series({"west": 7, "north": 3})).fit(TEXTS)
    assert there_and_back(encoder).vocabulary == {"west": 7, "north": 3}


@pytest.mark.parametrize("lowercase", [True, False])
@pytest.mark.parametrize("max_length", [None, 2])
def test_byte_pair_encodings(lowercase, max_length):
    texts = [*TEXTS[:2], "South South [PAD]"]
    encoder = TokenEncoder(analyzer="bpe", lowercase=lowercase, max_length=max_length).fit(texts)
    again = there_and_back(encoder)
    assert again.tokenizer_.to_str() == encoder.tokenizer_.to_str()
    assert again.vocabulary_ == encoder.vocabulary_
    new = [*texts, "North [UNK] by", ""]
    assert list(map(list, again.transform(new))) == list(map(list, encoder.transform(new)))


def test_attributes_that_no_fit_sets_are_left_out():
    scaler = SequenceScaler().fit(X)
    scaler.note = "mine"
    described, left_out = describe_transformer(scaler)
    assert left_out == ["note"]
    assert not hasattr(build_transformer(described), "note")


# Descriptions that no fit leaves ------------------------------------------------------------------


FITTED = {
    "scaler": SequenceScaler().fit(X),
    "minmax": SequenceScaler("minmax").fit(X),
    "within": SequenceScaler(per="sequence").fit(X),
    "imputer": SequenceImputer().fit(X),
    "rolling": RollingFeatures().fit(TABLE),
    "words": TokenEncoder().fit(TEXTS),
    "bpe": TokenEncoder(analyzer="bpe").fit(TEXTS[:2]),
}
MEASURED = {"mean_": np.zeros(2), "var_": np.ones(2), "scale_": np.ones(2), "n_samples_seen_": 4}


def measured(**other):
    """Changes what a scaler has measured."""
    return lambda d: d["state"].update(scaler_=MEASURED | other)


FORGERIES = {
    "unknown class": ("scaler", lambda d: d.update({"class": "Pipeline"})),
    "class that is a list": ("scaler", lambda d: d.update({"class": []})),
    "unknown parameter": ("scaler", lambda d: d["parameters"].update(units=3)),
    "wrong parameter": ("scaler", lambda d: d["parameters"].update(method="log")),
    "parameters that are a list": ("scaler", lambda d: d.update(parameters=[])),
    "no state": ("scaler", lambda d: d.pop("state")),
    "method": ("scaler", lambda d: d["state"].update(transform=1)),
    "missing attribute": ("scaler", lambda d: d["state"].pop("n_features_in_")),
    "no features": ("scaler", lambda d: d["state"].update(_n_timestep_features=0)),
    "other features": ("scaler", lambda d: d["state"].update(_n_timestep_features=3)),
    "other columns": ("rolling", lambda d: d["state"].update(_n_columns_in=4)),
    "names for others": (
        "rolling",
        lambda d: d["state"].update(feature_names_in_=np.array(["a"], dtype=object)),
    ),
    "names that are a list": ("rolling", lambda d: d["state"].update(feature_names_in_=["a"])),
    "nothing measured": ("scaler", lambda d: d["state"].update(scaler_=None)),
    "negative variance": (
        "scaler",
        measured(var_=np.array([1.0, -1e-9])),
    ),
    "scale of zero": ("scaler", measured(scale_=np.zeros(2))),
    "means for others": ("scaler", measured(mean_=np.zeros(3))),
    "means that are ints": (
        "scaler",
        measured(mean_=np.zeros(2, int)),
    ),
    "negative count": ("scaler", measured(n_samples_seen_=-1)),
    "a text as count": ("scaler", measured(n_samples_seen_="4")),
    "measured otherwise": ("minmax", lambda d: d["state"].update(scaler_=MEASURED)),
    "measured by no method": ("scaler", lambda d: d["state"].update(_fitted_as=("log", "dataset"))),
    "measured within": ("within", lambda d: d["state"].update(scaler_=MEASURED)),
    "statistics for others": ("imputer", lambda d: d["state"].update(statistics_=np.zeros(3))),
    "statistics that are a list": ("imputer", lambda d: d["state"].update(statistics_=[0.0, 0.0])),
    "no lags": ("rolling", lambda d: d["parameters"].update(differences=-1)),
    "a path as vocabulary": ("words", lambda d: d["state"].update(vocabulary_="/etc/passwd")),
    "token twice": ("words", lambda d: d["state"]["vocabulary_"]["ids"].fill(2)),
    "id of padding": ("words", lambda d: d["state"]["vocabulary_"]["ids"].fill(0)),
    "fewer ids": ("words", lambda d: d["state"]["vocabulary_"].update(ids=np.array([2]))),
    "ids that are floats": ("words", lambda d: d["state"]["vocabulary_"].update(ids=np.ones(9))),
    "tokens that are numbers": (
        "words",
        lambda d: d["state"].update(vocabulary_={"tokens": [5], "ids": np.array([2])}),
    ),
    "no pattern": ("words", lambda d: d["parameters"].update(token_pattern="(")),
    "two groups": ("words", lambda d: d["parameters"].update(token_pattern="(a)(b)")),
    "tokenizer for words": (
        "words",
        lambda d: d["state"].update(tokenizer_=describe_transformer(FITTED["bpe"])[0]),
    ),
    "no tokenizer": ("bpe", lambda d: d["state"].pop("tokenizer_")),
    "tokenizer as JSON": ("bpe", lambda d: d["state"].update(tokenizer_="{}")),
    "merges of no token": ("bpe", lambda d: d["state"]["tokenizer_"]["merges"].fill(10_000)),
    "merges of negative ids": ("bpe", lambda d: d["state"]["tokenizer_"]["merges"].fill(-1)),
    "merges into no token": ("bpe", lambda d: d["state"]["tokenizer_"]["merges"].fill(0)),
    "merges of three": (
        "bpe",
        lambda d: d["state"]["tokenizer_"].update(merges=np.zeros((1, 3), np.int32)),
    ),
    "a path as merges": ("bpe", lambda d: d["state"]["tokenizer_"].update(merges="/etc/passwd")),
    "no unknown token": ("bpe", lambda d: d["state"]["tokenizer_"].update(tokens=["a", "b"])),
}  # fmt: skip


@pytest.mark.parametrize("name", FORGERIES)
def test_forged_descriptions(name):
    step, change = FORGERIES[name]
    described, _ = describe_transformer(FITTED[step])
    change(described)
    with pytest.raises(MALFORMED):
        build_transformer(described)
