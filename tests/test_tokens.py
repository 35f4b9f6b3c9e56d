"""Token ids through the estimator, from the input to the probabilities."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from torch import nn

from sklstm import LSTMSequenceClassifier
from tests.helpers import FLOAT32, POOLINGS, make_documents, quick

RNG = np.random.default_rng(0)


X, Y = make_documents()


def tokens(**parameters):
    return quick(**{"embedding_dim": 6, "max_epochs": 20, "vocabulary_size": 30, **parameters})


@pytest.mark.parametrize("pooling", POOLINGS)
def test_learns_which_word_occurs(pooling):
    fitted = tokens(pooling=pooling, max_epochs=30).fit(*make_documents(300))
    assert fitted.score(*make_documents(100, seed=1)) > 0.9


def test_padded_arrays_equal_lists():
    padded = np.zeros((60, 15), dtype=int)
    for row, ids in zip(padded, X, strict=True):
        row[: len(ids)] = ids
    by_list, by_array = tokens().fit(X, Y), tokens().fit(padded, Y)
    np.testing.assert_array_equal(by_list.predict_proba(X), by_array.predict_proba(padded))
    np.testing.assert_array_equal(by_array.predict_proba(padded[:, :13]), by_array.predict_proba(X))
    assert (by_list.n_features_in_, by_array.n_features_in_) == (1, 15)


def test_named_columns_of_ids_must_stay_in_their_order():
    frame = pd.DataFrame([[2, 3], [4, 5]] * 10, columns=["first", "second"])
    fitted = tokens(max_epochs=1).fit(frame, [0, 1] * 10)
    assert fitted.feature_names_in_.tolist() == ["first", "second"]
    with pytest.raises(ValueError, match="feature names should match"):
        fitted.predict(frame[["second", "first"]])
    assert fitted.predict(frame.rename(columns=str.upper).to_numpy()).shape == (20,)


def test_weights_may_be_a_tensor_and_must_fit_float32():
    weights = torch.randn(30, 6, requires_grad=True)
    by_tensor = tokens(embedding_dim=None, embedding_weights=weights, max_epochs=1).fit(X, Y)
    by_array = tokens(
        embedding_dim=None, embedding_weights=weights.detach().numpy(), max_epochs=1
    ).fit(X, Y)
    np.testing.assert_array_equal(by_tensor.predict_proba(X), by_array.predict_proba(X))
    with pytest.raises(ValueError, match="finite in float32"):
        tokens(embedding_dim=None, embedding_weights=np.full((30, 6), 1e300)).fit(X, Y)


def test_alone_or_in_company():
    fitted = tokens(max_epochs=2).fit(X, Y)
    alone = np.vstack([fitted.predict_proba([ids]) for ids in X])
    np.testing.assert_allclose(alone, fitted.predict_proba(X), rtol=1e-6)


def test_the_vocabulary_is_learnt_from_the_ids():
    fitted = tokens(vocabulary_size=None, max_epochs=1).fit(X, Y)
    assert fitted.net_.trained.embedding.num_embeddings == max(map(max, X)) + 1


@pytest.mark.parametrize("method", ["predict", "transform", "partial_fit", "score"])
def test_ids_outside_the_vocabulary_are_an_error_of_ours(method):
    fitted = tokens(max_epochs=1).fit(X, Y)
    new = [*X[:3], np.array([2, 30])]
    arguments = (new, Y[:4]) if method in ("partial_fit", "score") else (new,)
    with pytest.raises(ValueError, match=r"from 0 to 29: X\[3\]\[1\] is 30"):
        getattr(fitted, method)(*arguments)
    assert fitted.predict(X).shape == (60,)


WEIGHTS = RNG.normal(size=(30, 6))


def embedding_of(classifier):
    return classifier.net_.trained.embedding.weight.detach().numpy()


def test_pretrained_vectors_are_where_it_begins():
    begun = tokens(embedding_dim=None, embedding_weights=WEIGHTS, learning_rate=1e-12).fit(X, Y)
    np.testing.assert_allclose(embedding_of(begun)[1:], WEIGHTS[1:], rtol=1e-6)


@pytest.mark.parametrize("freeze", [False, True])
def test_frozen_vectors_stay_and_others_are_tuned(freeze):
    fitted = tokens(
        embedding_dim=None, vocabulary_size=None, embedding_weights=WEIGHTS, freeze_embedding=freeze
    ).fit(X, Y)
    stayed = embedding_of(fitted)[1:] == WEIGHTS[1:].astype(np.float32)
    assert stayed.all() if freeze else not stayed[2:4].any()


def test_the_given_vectors_are_not_modified():
    before = WEIGHTS.copy()
    tokens(embedding_dim=None, embedding_weights=WEIGHTS).fit(X, Y)
    np.testing.assert_array_equal(WEIGHTS, before)


def test_dropout_on_the_vectors_is_for_training_only():
    plain, dropped = (tokens(dropout=p, max_epochs=2).fit(X, Y) for p in (0.0, 0.5))
    assert not np.allclose(plain.predict_proba(X), dropped.predict_proba(X))
    np.testing.assert_array_equal(dropped.predict_proba(X), dropped.predict_proba(X))


def test_clones_pickles_and_searches():
    fitted = tokens(embedding_dim=None, embedding_weights=WEIGHTS, max_epochs=3).fit(X, Y)
    expected = fitted.predict_proba(X)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fitted)).predict_proba(X), expected)
    np.testing.assert_array_equal(clone(fitted).fit(X, Y).predict_proba(X), expected)
    assert cross_val_score(fitted, X, Y, cv=2).shape == (2,)
    grid = {"freeze_embedding": [False, True], "hidden_sizes": [4, 8]}
    one, two = (GridSearchCV(fitted, grid, cv=2, n_jobs=n).fit(X, Y) for n in (1, 2))
    np.testing.assert_array_equal(
        one.cv_results_["mean_test_score"], two.cv_results_["mean_test_score"]
    )


def test_partial_fit_and_warm_start_keep_the_vocabulary():
    fitted = tokens(max_epochs=1, warm_start=True).fit(X, Y).fit(X[:10], Y[:10])
    assert fitted.partial_fit(X[:4], Y[:4]).n_iter_ == 3
    assert fitted.net_.trained.embedding.num_embeddings == 30


def test_too_few_embedding_weights_are_mentioned_beside_the_vocabulary_size():
    few = tokens(embedding_dim=None, vocabulary_size=None, embedding_weights=WEIGHTS[:5])
    message = (
        r"(?s)from 0 to 4: .*embedding_weights need one row for each id: those of a TokenEncoder"
        r" are vectors\.weights\(encoder\.vocabulary_\)"
    )
    with pytest.raises(ValueError, match=message):
        few.fit(X, Y)


@pytest.mark.parametrize(
    "parameters", [{"vocabulary_size": 100}, {"vocabulary_size": None, "embedding_dim": None}]
)
def test_a_training_does_not_go_on_with_another_vocabulary(parameters):
    fitted = tokens(max_epochs=1, warm_start=True).fit(X, Y)
    if parameters["vocabulary_size"] is None:
        parameters = parameters | {"embedding_weights": np.ones((100, 6))}
    fitted.set_params(**parameters)
    with pytest.raises(ValueError, match="'vocabulary_size' was 30, got 100"):
        fitted.fit(X, Y)


def test_early_stopping_knows_the_ids_of_the_held_out_part():
    fitted = tokens(vocabulary_size=None, early_stopping=True, max_epochs=3).fit(X, Y)
    assert fitted.net_.trained.embedding.num_embeddings == max(map(max, X)) + 1


def test_numbers_still_need_no_embedding():
    numeric = [ids[:, None].astype(float) for ids in X]
    assert quick().fit(numeric, Y).net_.module_.embedding is None


# The same networks written by hand


class ByHand(nn.Module):
    """LSTM(embedding) -> dropout -> last state -> dropout -> dense."""

    def __init__(self, vectors=None, dropout=0.0, freeze=False):
        super().__init__()
        if vectors is None:
            self.embedding = nn.Embedding(30, 6, padding_idx=0)
        else:
            vectors = torch.as_tensor(vectors, dtype=torch.float32)
            self.embedding = nn.Embedding.from_pretrained(vectors, freeze=freeze, padding_idx=0)
        self.dropout = nn.Dropout(dropout)
        self.lstm = nn.LSTM(6, 8, batch_first=True)
        self.dense = nn.Linear(8, 2)

    def forward(self, ids):
        states, _ = self.lstm(self.dropout(self.embedding(ids)))
        return self.dense(self.dropout(states[:, -1]))


@pytest.mark.parametrize("vectors", [None, WEIGHTS])
@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_logits_and_gradients_agree_with_torch(vectors, dropout):
    parameters = {"dropout": dropout, "max_epochs": 1}
    fitted = tokens(
        bidirectional=False, pooling="last", embedding_weights=vectors, **parameters
    ).fit(X, Y)
    network, by_hand = fitted.net_.trained.train(), ByHand(vectors, dropout).train()
    with torch.no_grad():
        by_hand.embedding.weight.copy_(network.embedding.weight)
        for name, value in network.encoder.layers[0].forwards.lstm.named_parameters():
            getattr(by_hand.lstm, name).copy_(value)
        by_hand.dense.load_state_dict(network.head[-1].state_dict())
    ids = torch.from_numpy(RNG.integers(2, 30, size=(5, 9)))
    results = []
    for module in (network, by_hand):
        torch.manual_seed(0)
        logits = module(ids)
        nn.functional.cross_entropy(logits, torch.tensor([0, 1, 0, 1, 1])).backward()
        results.append((logits, module.embedding.weight.grad))
    torch.testing.assert_close(results[0][0], results[1][0], **FLOAT32)
    torch.testing.assert_close(results[0][1], results[1][1], **FLOAT32)


def test_text_points_to_the_encoder():
    with pytest.raises(ValueError, match=r"TokenEncoder\(\), LSTMSequenceClassifier"):
        LSTMSequenceClassifier(embedding_dim=4).fit(["a text", "another"], [0, 1])
