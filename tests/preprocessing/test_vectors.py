import numpy as np
import pytest
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from sklstm import LSTMSequenceClassifier
from sklstm.preprocessing import TokenEncoder, WordVectors, read_word_vectors

GLOVE = "north 1.0 0.0\nsouth 0.0 1.0\nat a b 0.5 0.5\nnorth 9.0 9.0\n"


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "vectors.txt"
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.mark.parametrize("header", ["", "4 2\n"])
def test_reads_glove_and_word2vec(write, header):
    vectors = read_word_vectors(write(header + GLOVE))
    assert vectors.tokens == ("north", "south", "at a b")
    assert vectors.vectors.tolist() == [[1, 0], [0, 1], [0.5, 0.5]]
    assert vectors.vectors.dtype == np.float32


def test_reads_only_what_is_asked_for(write):
    assert read_word_vectors(write(GLOVE), tokens=["south", "west"]).tokens == ("south",)
    with pytest.raises(ValueError, match="holds no word vectors for any of the tokens asked for"):
        read_word_vectors(write(GLOVE), tokens=["west"])


def test_line_separators_within_a_word_do_not_end_the_line(write):
    assert read_word_vectors(write("a\u2028b 1.0 2.0\nc\x85 3.0 4.0\n")).tokens == (
        "a\u2028b",
        "c\x85",
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("north 1.0 0.0\nsouth 0.0\n", r"line 2: expected a word and 2 numbers"),
        (
            "north 1.0 0.0\nsouth 0.0 1.0 2.0\n",
            r"line 2: expected a word and 2 finite numbers, got 4",
        ),
        (
            "north 1.0 0.0\nsouth 0.0 1.x\n",
            r"line 2: expected a word and 2 numbers. Could not conv",
        ),
        ("north 1.0 0.0\nsouth 0.0 nan\n", "line 2: expected a word and 2 finite numbers"),
        ("2 2\nnorth 1.0\n", "line 2: expected a word and 2 "),
        ("north 1.0 0.0\n\nsouth 0.0 1.0\n", "line 2: expected a word and 2 "),
        ("3 2\nnorth 1.0 0.0\nsouth 0.0 1.0\n", "line 1 promises 3 words, but 2 follow"),
        ("north\n", "line 1: expected a word and its numbers, got 1"),
        ("", "holds no word vectors"),
    ],
)
def test_a_broken_file_is_an_error_with_its_line(write, text, message):
    with pytest.raises(ValueError, match=message):
        read_word_vectors(write(text))


def test_a_broken_line_is_an_error_even_if_its_word_is_not_wanted(write):
    with pytest.raises(ValueError, match="line 2: expected a word and 2"):
        read_word_vectors(write("north 1.0 0.0\nwest 0.0\nsouth 0.0 1.0\n"), tokens=["south"])


def test_blank_lines_at_the_end_and_a_byte_order_mark_do_no_harm(write):
    assert read_word_vectors(write("\ufeffnorth 1.0 0.0\n\n\n")).tokens == ("north",)


def test_what_is_no_text_file_is_an_error_with_the_remedy(tmp_path):
    path = tmp_path / "vectors.gz"
    path.write_bytes(b"\x1f\x8b\x08\xff")
    with pytest.raises(ValueError, match=r"not a text file in UTF-8.*\n\nUnpack or convert it"):
        read_word_vectors(path)


@pytest.mark.parametrize("vectors", [np.ones((1, 2)), np.ones(2), np.ones((0, 2))])
def test_there_must_be_a_vector_for_each_token(vectors):
    with pytest.raises(ValueError, match="one vector for each of 2 tokens"):
        WordVectors(("north", "south"), vectors)


def test_shows_its_size():
    assert repr(VECTORS) == "WordVectors(2 tokens, 2 dimensions)"


VECTORS = WordVectors(("north", "south"), np.array([[1.0, 0.0], [0.0, 3.0]], dtype=np.float32))


def test_weights_agree_with_the_encoder_of_the_same_words():
    encoder = TokenEncoder(vocabulary=VECTORS.tokens).fit(["anything"])
    weights = VECTORS.weights()
    for token, vector in zip(VECTORS.tokens, VECTORS.vectors, strict=True):
        (ids,) = encoder.transform([token])
        np.testing.assert_array_equal(weights[ids[0]], vector)
    assert not weights[0].any()
    np.testing.assert_array_equal(weights[1], [0.5, 1.5])


def test_weights_for_a_vocabulary_that_was_learnt():
    encoder = TokenEncoder().fit(["south and west", "south"])
    weights = VECTORS.weights(encoder.vocabulary_)
    assert weights.shape == (len(encoder.vocabulary_) + 2, 2)
    np.testing.assert_array_equal(weights[encoder.vocabulary_["south"]], [0, 3])
    np.testing.assert_array_equal(weights[encoder.vocabulary_["west"]], [0.5, 1.5])


def test_coverage():
    assert VECTORS.coverage(["north", "west", "west", "south"]) == 0.5
    assert VECTORS.coverage({"north": 2}) == 1.0
    assert np.isnan(VECTORS.coverage([]))


@pytest.mark.parametrize("freeze", [False, True])
def test_encoder_and_weights_stay_together_in_every_fold(freeze):
    texts = ["go north now", "go south now"] * 20
    pipeline = make_pipeline(
        TokenEncoder(vocabulary=VECTORS.tokens),
        LSTMSequenceClassifier(
            8, embedding_weights=VECTORS.weights(), freeze_embedding=freeze, max_epochs=30,
            learning_rate=0.02, random_state=0,
        ),
    )  # fmt: skip
    assert cross_val_score(pipeline, texts, ["up", "down"] * 20, cv=4).min() == 1.0
