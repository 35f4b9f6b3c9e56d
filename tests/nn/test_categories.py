"""Categories as one-hot and as learnt vectors, and static columns."""

import numpy as np
import pytest
import torch

from sklstm.nn._categories import CategoryEmbedding, OneHot, StaticEncoder, embedding_size

INPUTS = torch.tensor([[0.5, 1.0, 2.0], [-1.0, 3.0, 0.0]])


def test_codes_become_one_column_for_each_category():
    one_hot = OneHot(1, (3, 2))
    expected = [[0.5, 1, 0, 0, 0, 1], [-1.0, 0, 0, 1, 0, 0]]
    assert one_hot(INPUTS).tolist() == expected
    assert one_hot(INPUTS.double()).dtype == torch.float32
    assert one_hot.output_size == 6


def test_an_embedding_gives_each_category_its_vector_and_none_a_zero():
    embedding = CategoryEmbedding(1, (3, 2))
    first, second = embedding.vectors
    outputs = embedding(INPUTS)
    assert outputs.shape == (2, embedding.output_size)
    torch.testing.assert_close(outputs[0], torch.cat([INPUTS[0, :1], first[0], second[1]]))
    torch.testing.assert_close(outputs[1, -3:], torch.zeros(3))
    outputs.sum().backward()
    assert first.grad[:, 0].tolist() == [1, 0, 1]


@pytest.mark.parametrize(("n", "size"), [(0, 0), (1, 2), (2, 3), (10, 6), (50, 15), (255, 32)])
def test_size_of_a_vector(n, size):
    assert embedding_size(n) == size


def test_static_numbers_are_standardised_and_missing_ones_are_told():
    values = torch.tensor([[1.0, 5.0, 2.0], [3.0, torch.nan, 1.0], [5.0, 7.0, 0.0]]).double()
    encoder = StaticEncoder(2, (2,))
    encoder.fit(values[:, :2], torch.tensor([1.0, 1.0, 2.0]))
    expanded = encoder.expand(values)
    deviation = np.sqrt((1 * 2.5**2 + 1 * 0.5**2 + 2 * 1.5**2) / 4)
    np.testing.assert_allclose(expanded[:, 0], (np.array([1, 3, 5]) - 3.5) / deviation, rtol=1e-6)
    np.testing.assert_allclose(expanded[[0, 2], 1], [-np.sqrt(2), np.sqrt(0.5)], rtol=1e-6)
    assert expanded[1, 1] == 0
    # The first number was never missing.
    assert expanded[:, 2:4].tolist() == [[0, 0], [0, 1], [0, 0]]
    missing = torch.full((1, 3), torch.nan, dtype=torch.float64)
    assert encoder.expand(missing)[0].tolist() == [0, 0, 0, 1, 0, 0]
    assert encoder(values).shape == (3, encoder.output_size)


def test_a_constant_column_says_nothing_and_times_keep_their_seconds():
    seconds = 1.7e9 + np.arange(8.0)
    values = torch.from_numpy(np.stack([np.full(8, 0.1), seconds], axis=1))
    encoder = StaticEncoder(2)
    encoder.fit(values, torch.ones(8))
    expanded = encoder.expand(values)
    np.testing.assert_allclose(expanded[:, 0], 0, atol=1e-6)
    expected = (seconds - seconds.mean()) / seconds.std()
    np.testing.assert_allclose(expanded[:, 1], expected, rtol=1e-5)


def test_a_column_without_a_number_is_all_zero():
    encoder = StaticEncoder(1)
    values = torch.full((3, 1), torch.nan, dtype=torch.float64)
    encoder.fit(values, torch.ones(3))
    assert encoder.expand(values).tolist() == [[0, 1]] * 3
    assert encoder.scale.tolist() == [1]


def test_an_outlier_stays_finite():
    encoder = StaticEncoder(1)
    encoder.fit(torch.tensor([[0.0], [1e-30]]).double(), torch.ones(2))
    outliers = torch.tensor([[1e18], [-1e18], [torch.nan]]).double()
    assert encoder.expand(outliers)[:, 0].tolist() == [1e4, -1e4, 0]
