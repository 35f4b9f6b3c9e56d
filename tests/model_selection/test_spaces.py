import numpy as np
import pytest
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import HalvingRandomSearchCV, ParameterSampler, RandomizedSearchCV
from sklearn.pipeline import make_pipeline

from sklstm import LSTMSequenceClassifier
from sklstm._compat._sklearn import InvalidParameterError
from sklstm._config._parameters import check_parameters
from sklstm.model_selection import param_distributions
from sklstm.preprocessing import SequenceScaler
from tests.helpers import make_ragged, quick

X, Y = make_ragged(40)
SIZES = [1, 500, 501, 10_000, 10_001]


@pytest.mark.parametrize("token_ids", [False, True])
@pytest.mark.parametrize("n_sequences", SIZES)
def test_whatever_is_drawn_is_accepted(n_sequences, token_ids):
    space = param_distributions(n_sequences, token_ids=token_ids)
    for drawn in ParameterSampler(space, 200, random_state=0):
        check_parameters(LSTMSequenceClassifier(**drawn))


@pytest.mark.parametrize("token_ids", [False, True])
def test_each_parameter_makes_a_difference(token_ids):
    """To the defaults, which have convolutions for measurements and an embedding for token ids."""
    rng = np.random.default_rng(0)
    sequences, kind = rng.normal(size=(20, 9, 2)), {}
    if token_ids:
        sequences, kind = rng.integers(1, 50, size=(20, 9)), {"embedding_dim": 8}
    for name, values in param_distributions(20, token_ids=token_ids).items():
        ends = (values[0], values[-1]) if isinstance(values, list) else values.support()
        one, other = (
            LSTMSequenceClassifier(**kind, **{name: end}, max_epochs=2, random_state=0)
            .fit(sequences, np.arange(20) % 2)
            .predict_proba(sequences)
            for end in ends
        )
        assert not np.array_equal(one, other), name


@pytest.mark.parametrize("token_ids", [False, True])
@pytest.mark.parametrize("n_sequences", SIZES)
def test_both_libraries_draw_from_the_same(n_sequences, token_ids):
    pytest.importorskip("optuna")
    ours = param_distributions(n_sequences, token_ids=token_ids)
    optunas = param_distributions(n_sequences, token_ids=token_ids, library="optuna")
    assert ours.keys() == optunas.keys()
    for name, values in ours.items():
        if isinstance(values, list):
            assert list(optunas[name].choices) == values
        else:
            bounds = (optunas[name].low, optunas[name].high)
            np.testing.assert_allclose(values.support(), bounds)
            # Half of what is drawn lies below the middle, geometric where it is logarithmic.
            middle = np.sqrt(np.prod(bounds)) if optunas[name].log else np.mean(bounds)
            assert values.cdf(middle) == pytest.approx(0.5)


def test_more_sequences_ask_for_larger_networks_and_batches():
    small, medium, large = (param_distributions(n) for n in (500, 501, 10_001))
    for name in ("hidden_sizes", "batch_size"):
        assert max(small[name]) <= max(medium[name]) < max(large[name])


@pytest.mark.parametrize("n_sequences", SIZES)
def test_the_fixed_convolutions_are_left_on(n_sequences):
    """Without them the mean over 21 data sets was worse: ``docs/benchmarks/accuracy.rst``."""
    assert "n_kernels" not in param_distributions(n_sequences)


def test_a_randomized_search_of_a_pipeline_takes_it():
    pipeline = make_pipeline(SequenceScaler(), quick(max_epochs=1))
    space = param_distributions(len(X), step="lstmsequenceclassifier")
    search = RandomizedSearchCV(pipeline, space, n_iter=3, cv=2, random_state=0).fit(X, Y)
    assert search.best_params_.keys() == space.keys()


def test_a_halving_search_takes_it_with_epochs_as_the_resource():
    space = param_distributions(len(X))
    search = HalvingRandomSearchCV(
        quick(), space, resource="max_epochs", min_resources=1, max_resources=4, factor=2, cv=2,
        random_state=0,
    ).fit(X, Y)  # fmt: skip
    assert search.n_resources_ == [1, 2, 4]
    assert search.best_estimator_.n_iter_ == 4


@pytest.mark.filterwarnings("ignore:OptunaSearchCV is experimental")
@pytest.mark.filterwarnings("ignore::FutureWarning:optuna")
def test_optuna_takes_it():
    optuna = pytest.importorskip("optuna")
    integration = pytest.importorskip("optuna_integration")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    space = param_distributions(len(X), library="optuna")
    search = integration.OptunaSearchCV(
        quick(max_epochs=1), space, n_trials=3, cv=2, random_state=0
    ).fit(X, Y)
    assert search.best_params_.keys() == space.keys()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_sequences": 0}, "The 'n_sequences' parameter must be an int of at least 1. Got 0"),
        ({"n_sequences": 2.5}, "Got 2.5 instead"),
        ({"n_sequences": 9, "token_ids": "no"}, "'token_ids' parameter must be True or False"),
        ({"n_sequences": 9, "library": "Optuna"}, r"among \{'optuna', 'scikit-learn'\}. Got 'Op"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(InvalidParameterError, match=message):
        param_distributions(**arguments)


def test_without_optuna_the_error_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    with pytest.raises(ImportError, match="optuna"):
        param_distributions(9, library="optuna")
