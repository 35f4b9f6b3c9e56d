import copy
import inspect
import pickle

import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from sklstm import LSTMSequenceClassifier
from sklstm.preprocessing import SequenceScaler
from tests.helpers import make_ragged, quick

X, Y = make_ragged(20)
START = r"^LSTMSequenceClassifier{}\(\) got an unexpected keyword argument '{}'\.\n\n{}\Z"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("hidden_size", "hidden_sizes"), ("units", "hidden_sizes"), ("epochs", "max_epochs"),
        ("n_epochs", "max_epochs"), ("max_iter", "max_epochs"), ("lr", "learning_rate"),
        ("batchsize", "batch_size"), ("dropout_rate", "dropout"), ("patience", "n_iter_no_change"),
        ("eval_steps", "validation_interval"), ("save_steps", "checkpoint_interval"),
        ("class_weights", "class_weight"), ("seed", "random_state"), ("metrics", "scoring"),
        ("return_train_scores", "return_train_score"),
        ("earlystopping", "early_stopping"), ("bidirectionl", "bidirectional"),
    ],
)  # fmt: skip
def test_the_constructor_says_which_of_its_parameters_is_meant(name, meant):
    with pytest.raises(TypeError, match=START.format("", name, rf"Did you mean '{meant}'\?")):
        LSTMSequenceClassifier(**{name: 3})


@pytest.mark.parametrize("method", ["", ".fit", ".partial_fit"])
@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("validation_data", r"Call fit\(X, y, X_val=\.\.\., y_val=\.\.\.\)\."),
        ("eval_set", r"Call fit\(X, y, X_val=\.\.\., y_val=\.\.\.\)\."),
        ("validation_split", r"Set early_stopping=True, validation_fraction=\.\.\. in the const.*"),
        ("num_layers", r"Set hidden_sizes=\(64, 64\) in the constructor: one width for each .*"),
        ("recurrent_dropout", r"There is no dropout of states\. Set dropout=\.\.\. in the const.*"),
        ("n_layers", r"Set hidden_sizes=\(64, 64\) in the constructor: one width for each .*"),
    ],
)
def test_what_several_arguments_replace_is_spelt_out(method, name, remedy):
    call = getattr(quick(), method[1:] or "__init__")
    with pytest.raises(TypeError, match=START.format(method, name, remedy)):
        call(**{name: 3})


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("epochs", r"Set max_epochs=\.\.\. in the constructor\."),
        ("max_epochs", r"Set max_epochs=\.\.\. in the constructor\."),
        ("batch_size", r"Set batch_size=\.\.\. in the constructor\."),
        ("callbacks", r"Set callbacks=\.\.\. in the constructor\."),
        ("class_weight", r"Set class_weight=\.\.\. in the constructor\."),
        ("sample_weights", r"Did you mean 'sample_weight'\?"),
        ("Xval", r"Did you mean 'X_val'\?"),
    ],
)
def test_fit_says_what_is_its_own_and_what_is_the_constructors(name, remedy):
    with pytest.raises(TypeError, match=START.format(r"\.fit", name, remedy)):
        quick().fit(X, Y, **{name: 3})


def test_a_name_that_is_like_none_is_named_alone():
    with pytest.raises(TypeError, match=r"unexpected keyword argument 'qqq'\.\Z"):
        LSTMSequenceClassifier(qqq=3)


def test_a_pipeline_passes_it_on():
    pipeline = make_pipeline(SequenceScaler(), quick())
    with pytest.raises(TypeError, match=r"Set max_epochs=\.\.\. in the constructor"):
        pipeline.fit(X, Y, lstmsequenceclassifier__epochs=3)


def test_signatures_and_copies_are_as_without_it():
    parameters = inspect.signature(LSTMSequenceClassifier).parameters
    assert (
        list(parameters) == list(inspect.signature(LSTMSequenceClassifier.__init__).parameters)[1:]
    )
    assert list(inspect.signature(LSTMSequenceClassifier.fit).parameters)[:4] == [
        "self", "X", "y", "sample_weight",
    ]  # fmt: skip
    assert set(quick().get_params()) == set(parameters)
    fitted = quick(max_epochs=1).fit(X, Y)
    for other in (copy.copy(fitted), copy.deepcopy(fitted), pickle.loads(pickle.dumps(fitted))):
        assert other.predict(X).tolist() == fitted.predict(X).tolist()
    assert clone(fitted).get_params() == fitted.get_params()


def test_a_subclass_has_a_signature_of_its_own():
    class Narrow(LSTMSequenceClassifier):
        def __init__(self, width=4):
            self.width = width
            super().__init__(width, max_epochs=1)

    assert clone(Narrow(3)).fit(X, Y).hidden_sizes == 3
    assert Narrow().get_params() == {"width": 4}
    with pytest.raises(TypeError, match=r"Narrow.__init__\(\) got an unexpected.* 'epochs'"):
        Narrow(epochs=3)

    class Wide(LSTMSequenceClassifier):
        def __init__(self, **parameters):
            super().__init__(**parameters)

    with pytest.raises(TypeError, match=r"Wide\(\) got .*'epochs'.\n\nDid you mean 'max_epochs'"):
        Wide(epochs=3)
