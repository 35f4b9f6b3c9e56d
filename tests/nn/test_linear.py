import pytest
import torch
from torch import nn

from sklstm.nn._linear import MIN_ROWS, Linear, TimestepLinear
from tests.helpers import FLOAT32


def by_torch(linear, values):
    return nn.functional.linear(values, *linear.parameters())


@pytest.mark.parametrize("shape", [(1, 3), (15, 3), (16, 3), (40, 3), (2, 5, 3)])
@pytest.mark.parametrize("n_columns", [1, 4])
def test_equals_the_layer(shape, n_columns):
    linear, values = TimestepLinear(3, n_columns), torch.randn(shape)
    torch.testing.assert_close(linear(values), by_torch(linear, values), **FLOAT32)


@pytest.mark.parametrize(("n_rows", "given"), [(1, MIN_ROWS), (15, MIN_ROWS), (16, 16), (40, 40)])
def test_the_product_is_given_enough_rows_for_its_usual_kernel(n_rows, given, monkeypatch):
    seen = []
    monkeypatch.setattr(
        nn.functional, "linear", lambda rows, *_: seen.append(len(rows)) or torch.ones(len(rows), 4)
    )
    assert len(TimestepLinear(3, 4)(torch.randn(n_rows, 3))) == n_rows
    assert seen == [given]
    assert MIN_ROWS >= 5


@pytest.mark.parametrize("bias", [False, True])
def test_rows_that_are_columns_in_memory_have_the_same_outputs(bias):
    linear, columns = Linear(300, 3, bias=bias).eval(), torch.randn(300, 40)
    expected = linear(columns.T.contiguous())
    torch.testing.assert_close(linear(columns.T), expected, **FLOAT32)
    assert torch.equal(linear(columns[:, 5:6].T)[0], linear(columns.T)[5])


@pytest.mark.parametrize("n_inputs", [3, 17, 64])
@pytest.mark.parametrize("n_columns", [1, 2, 5])
def test_a_row_has_the_same_bits_among_any_number(n_inputs, n_columns):
    linear, values = TimestepLinear(n_inputs, n_columns), torch.randn(100, n_inputs)
    together = linear(values)
    for n_rows in (1, 2, 4, 5, MIN_ROWS, 23, 29, 60):
        assert torch.equal(linear(values[:n_rows]), together[:n_rows])


@pytest.mark.parametrize("n_columns", [1, 4])
def test_what_fills_up_has_no_gradient(n_columns):
    linear, values = TimestepLinear(3, n_columns), torch.randn(2, 3)
    linear(values).sum().backward()
    filled_up = linear.weight.grad.clone()
    linear.zero_grad()
    by_torch(linear, values).sum().backward()
    torch.testing.assert_close(filled_up, linear.weight.grad, **FLOAT32)
    assert linear.bias.grad.tolist() == [2.0] * n_columns


@pytest.mark.parametrize("n_inputs", [5, 7, 18, 33])
@pytest.mark.parametrize("n_columns", [1, 4, 9])
def test_a_width_that_is_no_multiple_of_four_rounds_no_row_by_the_others(n_inputs, n_columns):
    linear, values = TimestepLinear(n_inputs, n_columns).eval(), torch.randn(512, n_inputs)
    together = linear(values)
    torch.testing.assert_close(together, nn.functional.linear(values, *linear.parameters()))
    for n_rows in (1, 2, 3, 5, 15, 17, 33, 101, 300):
        # The last ones: where a row stands matters as well.
        assert torch.equal(linear(values[-n_rows:]), together[-n_rows:])


@pytest.mark.parametrize("n_columns", [1, 4])
def test_predicted_vectors_are_products_in_float64(n_columns):
    linear, vectors = Linear(7, n_columns).eval(), torch.randn(40, 7)
    weight, bias = (parameter.double() for parameter in linear.parameters())
    exact = (vectors.double().unsqueeze(1) * weight).sum(dim=2) + bias
    assert torch.equal(linear(vectors), exact.float())
    assert linear(vectors).dtype == torch.float32
    alone = torch.cat([linear(vector[None]) for vector in vectors])
    assert torch.equal(alone, exact.float())


@pytest.mark.parametrize("n_inputs", [7, 8])
@pytest.mark.parametrize("kind", [TimestepLinear, Linear])
def test_training_is_by_torchs_own_product(kind, n_inputs):
    """What makes predictions alike must not change a single bit of what is trained."""
    linear, values = kind(n_inputs, 4), torch.randn(40, n_inputs)
    assert torch.equal(linear(values), by_torch(linear, values))
