import copy
import pickle
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils._param_validation import InvalidParameterError

from sklstm import LSTMSequenceClassifier
from sklstm.preprocessing import TokenEncoder
from sklstm.preprocessing._tokens import tokens_of
from tests.watching import Record, whole

TEXTS = ["Which way is north?", "Which is it?", "It is north.", ""]


def encode(texts, **parameters):
    return [ids.tolist() for ids in TokenEncoder(**parameters).fit(texts).transform(texts)]


def tokens(texts, **parameters):
    encoder = TokenEncoder(**parameters).fit(texts)
    return encoder.inverse_transform(encoder.transform(texts))


def test_words_have_ids_by_frequency_and_then_alphabetically():
    encoder = TokenEncoder().fit(TEXTS)
    assert list(encoder.vocabulary_) == ["is", "?", "it", "north", "which", ".", "way"]
    assert list(encoder.vocabulary_.values()) == list(range(2, 9))
    assert encode(TEXTS) == [[6, 8, 2, 5, 3], [6, 2, 4, 3], [4, 2, 5, 7], [1]]


@pytest.mark.parametrize("container", [list, tuple, np.array, pd.Series, iter])
def test_any_iterable_of_texts(container):
    assert encode(TEXTS) == [
        ids.tolist() for ids in TokenEncoder().fit(TEXTS).transform(container(TEXTS))
    ]


def test_output_is_what_the_classifier_takes():
    ids = TokenEncoder().fit_transform(TEXTS)
    assert all(x.dtype == np.int64 and x.ndim == 1 for x in ids)


def test_words_are_those_of_scikit_learn():
    analyze = CountVectorizer(token_pattern=r"(?u)\b\w\w+\b").build_analyzer()
    assert tokens(TEXTS[:3], token_pattern=r"(?u)\b\w\w+\b") == [analyze(t) for t in TEXTS[:3]]


def test_characters():
    assert tokens(["Ab b"], analyzer="char") == [["a", "b", " ", "b"]]
    assert tokens(["Ab b"], analyzer="char", lowercase=False) == [["A", "b", " ", "b"]]


def test_a_callable_gets_the_text_as_it_is():
    assert tokens(["A-b", "C"], analyzer=lambda text: text.split("-")) == [["A", "b"], ["C"]]


def test_tokens_stay_as_they_are():
    cut = [["North", "way"], ("north",), np.array(["way"])]
    assert tokens(cut) == [["North", "way"], ["north"], ["way"]]


def test_unknown_and_empty():
    encoder = TokenEncoder().fit(TEXTS)
    assert [x.tolist() for x in encoder.transform(["which east?", "", "  "])] == [
        [6, 1, 3],
        [1],
        [1],
    ]
    assert encoder.inverse_transform([[6, 1, 3, 0, 0]]) == [["which", "[UNK]", "?"]]


@pytest.mark.parametrize("min_df", [1, 2, 3, 0.0, 0.5, 0.75])
def test_min_df_counts_texts_as_scikit_learn_does(min_df):
    texts = [*TEXTS[:3], "way way way"]
    counts = CountVectorizer(token_pattern=r"\w+|[^\w\s]", min_df=min_df).fit(texts)
    assert set(TokenEncoder(min_df=min_df).fit(texts).vocabulary_) == set(counts.vocabulary_)


def test_max_vocabulary_keeps_the_most_frequent():
    assert list(TokenEncoder(max_vocabulary=2).fit(TEXTS).vocabulary_) == ["is", "?"]


@pytest.mark.parametrize(("cut", "kept"), [("end", ["which", "way"]), ("start", ["north", "?"])])
def test_max_length(cut, kept):
    assert tokens(TEXTS[:1], max_length=2, cut=cut) == [kept]


@pytest.mark.parametrize("vocabulary", [["is", "way"], ("is", "way"), {"is": 2, "way": 3}])
def test_a_fixed_vocabulary(vocabulary):
    encoder = TokenEncoder(vocabulary=vocabulary).fit(["something else"])
    assert encoder.vocabulary_ == {"is": 2, "way": 3}
    assert encoder.transform(["which way is"])[0].tolist() == [1, 3, 2]


def test_the_vocabulary_is_that_of_what_is_kept_of_a_text():
    encoder = TokenEncoder(max_length=2).fit(["a b c", "b a d"])
    assert set(encoder.vocabulary_) == {"a", "b"}


def test_capitals_that_no_text_will_have_are_pointed_out():
    with pytest.warns(UserWarning, match="capitals, such as 'North'"):
        TokenEncoder(vocabulary=["go", "North"]).fit(TEXTS)
    TokenEncoder(vocabulary=["go", "North"], lowercase=False).fit(TEXTS)


def test_another_analyzer_forgets_the_tokenizer():
    encoder = TokenEncoder(analyzer="bpe").fit(TEXTS)
    assert not hasattr(encoder.set_params(analyzer="word").fit(TEXTS), "tokenizer_")


def test_ids_outside_the_vocabulary_are_unknown_tokens():
    assert TokenEncoder().fit(TEXTS).inverse_transform([[2, 99]]) == [["is", "[UNK]"]]


def test_text_that_looks_like_padding_is_text():
    encoder = TokenEncoder(analyzer="bpe").fit(["hi there", "go away"])
    (ids,) = encoder.transform(["[PAD] hi"])
    assert 0 not in ids


def test_clone_and_pickle():
    for parameters in ({}, {"vocabulary": ("is", "it")}, {"analyzer": "char"}, {"analyzer": "bpe"}):
        encoder = TokenEncoder(**parameters).fit(TEXTS)
        assert clone(encoder).fit(TEXTS).vocabulary_ == encoder.vocabulary_
        loaded = pickle.loads(pickle.dumps(encoder))
        assert [x.tolist() for x in loaded.transform(TEXTS)] == encode(TEXTS, **parameters)


@pytest.mark.parametrize("copied", [lambda e: pickle.loads(pickle.dumps(e)), copy.deepcopy])
def test_text_that_looks_like_padding_is_text_to_a_copy_too(copied):
    encoder = TokenEncoder(analyzer="bpe").fit(["hi there", "go away"])
    (expected,) = encoder.transform(["[PAD] hi"])
    (ids,) = copied(encoder).transform(["[PAD] hi"])
    assert ids.tolist() == expected.tolist()


def test_subwords_cover_words_that_were_never_seen():
    texts = ["lower lowest newer newest wider widest"] * 3
    encoder = TokenEncoder(analyzer="bpe", max_vocabulary=20).fit(texts)
    assert len(encoder.vocabulary_) <= 20
    assert min(encoder.vocabulary_.values()) == 2
    (ids,) = encoder.transform(["Newlow"])
    assert "".join(encoder.inverse_transform([ids])[0]) == "newlow"
    assert 1 < len(ids) < 6
    assert encoder.transform(["", "ξ"])[0].tolist() == [1]


@pytest.mark.parametrize("cut", ["end", "start"])
def test_no_subword_has_an_id_beyond_the_largest_that_is_kept(cut):
    texts = ["the lowest of rows is new zebra", "a newer show goes on quickly xylophone"] * 5
    if cut == "start":
        texts = [" ".join(reversed(text.split())) for text in texts]
    encoder = TokenEncoder(analyzer="bpe", max_length=2, cut=cut).fit(texts)
    largest = max(ids.max() for ids in encoder.transform(texts))
    assert max(encoder.vocabulary_.values()) == largest
    others = ["xylophone zebra", "zebra of quickly", "goes on"]
    assert max(ids.max() for ids in encoder.transform(others)) <= largest
    # More is known of those that are not cut.
    assert len(TokenEncoder(analyzer="bpe").fit(texts).vocabulary_) > len(encoder.vocabulary_)


def test_subwords_of_empty_texts_are_an_error():
    with pytest.raises(ValueError, match=r"No token occurs in 1 or more of the 2 texts"):
        TokenEncoder(analyzer="bpe").fit(["", " "])


def test_subwords_without_their_package_name_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(ImportError, match=r"pip install 'sklstm\[subwords\]'"):
        TokenEncoder(analyzer="bpe").fit(TEXTS)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (
            "one text",
            r"X must be a list, .* Got 'one text' instead.\n\nPass \[X\]",
        ),
        (3, r"X must be a list, .* Got 3 instead"),
        (
            pd.DataFrame({"text": ["a", "b"]}),
            r"DataFrame of shape \(2, 1\).*\n\n.*X\['name'\]",
        ),
        ({"text": ["a", "b"]}, "Got a dict instead"),
        (np.array([["a"], ["b"]], dtype=object), r"ndarray of shape \(2, 1\) .*\n\n.*X.ravel\(\)"),
        ([], r"Found array with 0 sample\(s\)"),
        (["a", None], r"(?s)X\[1\] must be a text, or a list of tokens. Got None.*texts by ''"),
        (["a", np.nan], r"X\[1\] must be a text, or a list of tokens. Got nan"),
        ([["a", 3]], r"X\[0\] must be a text, or a list of tokens. Got \['a', 3\]"),
        ([3], r"X\[0\] must be a text"),
    ],
)
@pytest.mark.parametrize("method", ["fit", "transform"])
def test_what_is_no_text_is_named(X, message, method):
    encoder = TokenEncoder().fit(TEXTS)
    with pytest.raises(ValueError, match=message):
        getattr(encoder, method)(X)


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"analyzer": "words"}, InvalidParameterError, r"Did you mean 'word'\?"),
        ({"min_df": 0}, InvalidParameterError, "The 'min_df' parameter of TokenEncoder"),
        ({"max_length": 0}, InvalidParameterError, "The 'max_length' parameter"),
        ({"cut": "middle"}, InvalidParameterError, "The 'cut' parameter"),
        ({"min_df": 5}, ValueError, "No token occurs in 5 or more of the 4 texts"),
        ({"vocabulary": ["a", "a"]}, ValueError, r"must hold different tokens, .* Twice: \['a'\]"),
        ({"vocabulary": []}, ValueError, "at least one. Got none"),
        ({"vocabulary": ["a", 3]}, ValueError, r"must be a sequence of tokens, .* Got \['a', 3\]"),
        ({"vocabulary": {"a": 2.5}}, ValueError, "different ids of at least 2"),
        ({"vocabulary": {}}, ValueError, "different ids of at least 2"),
        ({"vocabulary": {"a", "b"}}, ValueError, r"whose order is .*\n\n.*sorted\(vocabulary\)"),
        ({"vocabulary": {"a": 1}}, ValueError, "different ids of at least 2: 0 is padding"),
        ({"vocabulary": {"a": 2, "b": 2}}, ValueError, "different ids of at least 2"),
        ({"vocabulary": ["a"], "analyzer": "bpe"}, ValueError, "learns its own vocabulary"),
    ],
)
def test_bad_parameters(parameters, error, message):
    with pytest.raises(error, match=message):
        TokenEncoder(**parameters).fit(TEXTS)


def test_unfitted():
    with pytest.raises(NotFittedError, match="This TokenEncoder instance is not fitted"):
        TokenEncoder().transform(TEXTS)


# In a pipeline


def make_questions(n=120, seed=0):
    rng = np.random.default_rng(seed)
    starts = {"place": ["Where is", "In which city is"], "person": ["Who is", "Which man is"]}
    labels = np.array(["place", "person"])[np.arange(n) % 2]
    things = np.array(["the king", "the tower", "he", "the moon", "that"])
    texts = [f"{rng.choice(starts[label])} {rng.choice(things)}?" for label in labels]
    return texts, labels


def pipeline(**parameters):
    defaults = {"embedding_dim": 8, "hidden_sizes": 8, "max_epochs": 15, "random_state": 0}
    return make_pipeline(TokenEncoder(), LSTMSequenceClassifier(**{**defaults, **parameters}))


def test_from_raw_text_to_labels():
    fitted = pipeline().fit(*make_questions())
    assert fitted.score(*make_questions(seed=1)) > 0.95
    assert fitted.predict(["Where is the king of nowhere?", ""]).shape == (2,)


def test_a_search_tunes_both_steps_with_one_and_two_processes():
    grid = {
        "tokenencoder__min_df": [1, 2],
        "tokenencoder__analyzer": ["word", "char"],
        "lstmsequenceclassifier__embedding_dim": [4],
    }
    texts, labels = make_questions(60)
    one, two = (
        GridSearchCV(pipeline(max_epochs=3), grid, cv=2, n_jobs=n, error_score="raise").fit(
            texts, labels
        )
        for n in (1, 2)
    )
    np.testing.assert_array_equal(
        one.cv_results_["mean_test_score"], two.cv_results_["mean_test_score"]
    )


def test_a_search_over_the_length_never_meets_an_id_it_does_not_know():
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(list("abcdefghijklmnop"), size=12)) for _ in range(40)]
    grid = {"tokenencoder__max_length": [None, 3], "tokenencoder__min_df": [1, 2]}
    search = GridSearchCV(pipeline(max_epochs=1), grid, cv=3, error_score="raise")
    search.fit(texts, np.arange(40) % 2)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_words_of_a_test_fold_have_no_id():
    texts = [f"word{i} thing" for i in range(20)]
    seen = cross_val_score(pipeline(max_epochs=1), texts, np.arange(20) % 2, cv=4)
    assert np.isfinite(seen).all()


@pytest.mark.parametrize(
    "encoder", [TokenEncoder(), TokenEncoder(analyzer="bpe"), TokenEncoder(vocabulary=["north"])]
)
def test_a_fit_is_a_task_of_scikit_learns_callbacks(encoder):
    texts = ["which way is north", "north is there"]
    encoder.set_callbacks(record := Record()).fit(texts)
    assert record.calls == whole()
    ((_, _, _, fitted),) = record.given
    assert fitted.vocabulary_ == encoder.vocabulary_


@pytest.mark.parametrize("analyzer", ["word", "char", "bpe", str.split])
def test_tokens_of_texts_are_as_many_as_their_ids(analyzer):
    texts = ["Which way is north?", "Which is it?", ""]
    encoder = TokenEncoder(analyzer=analyzer, max_length=4, cut="start").fit(texts)
    tokens = tokens_of(encoder, [*texts, "south"])
    assert [len(own) for own in tokens] == [
        len(ids) for ids in encoder.transform([*texts, "south"])
    ]
    assert tokens[2] == ["[UNK]"]
    if analyzer == "word":
        assert tokens[0] == ["way", "is", "north", "?"]
        assert tokens[3] == ["south"]
