import numpy as np
import torch

from sklstm.inspection._path import Path, integrate

OPTIONS = {"tol": 1e-4, "max_nodes": 500, "n_rows": 7}


def run(function, starts, ends, **options):
    starts, ends = ([torch.tensor(x) for x in side] for side in (starts, ends))
    return integrate(function, starts, ends, **{**OPTIONS, **options})


def test_the_gradient_of_a_cubic_is_integrated_exactly():
    found = run(lambda inputs, rows: (inputs[0] ** 3).sum(dim=1), [[[0.0, 1.0]]], [[[2.0, 3.0]]])
    # Integral of 3 x^2 along the path: (end^3 - start^3) / (end - start).
    np.testing.assert_allclose(found.gradients[0].numpy(), [[4.0, 13.0]], rtol=1e-5)
    assert abs(found.errors[0]) < 1e-5


def test_a_kink_is_found():
    found = run(lambda inputs, rows: torch.relu(inputs[0] - 0.3).sum(dim=1), [[[0.0]]], [[[1.0]]])
    np.testing.assert_allclose(found.gradients[0].numpy(), [[0.7]], atol=1e-4)
    assert abs(found.errors[0]) <= 1e-4


def test_each_row_has_its_own_function_and_refinement():
    factors = torch.tensor([1.0, 5.0, 0.0])

    def function(inputs, rows):
        return factors[rows] * torch.relu(inputs[0][:, 0] - 0.37) + inputs[1][:, 0]

    starts = [[[0.0]] * 3, [[0.0]] * 3]
    found = run(function, starts, [[[1.0]] * 3, [[1.0]] * 3])
    np.testing.assert_allclose(found.gradients[0].numpy()[:, 0], [0.63, 3.15, 0.0], atol=2e-4)
    np.testing.assert_allclose(found.gradients[1].numpy(), np.ones((3, 1)), atol=1e-5)


def test_it_ends_with_the_number_of_nodes():
    found = run(lambda inputs, rows: (inputs[0] > 0.3).float().sum(dim=1) + 0 * inputs[0][:, 0],
                [[[0.0]]], [[[1.0]]], max_nodes=30)  # fmt: skip
    np.testing.assert_allclose(found.errors, 1.0)


def test_it_ends_where_float32_tells_no_more_points_apart():
    found = run(lambda inputs, rows: (inputs[0] > 0.3).float().sum(dim=1) + 0 * inputs[0][:, 0],
                [[[0.0]]], [[[1.0]]], max_nodes=5000)  # fmt: skip
    np.testing.assert_allclose(found.errors, 1.0)


def test_an_output_that_all_but_jumps_is_integrated():
    def steep(inputs, rows):
        return torch.sigmoid((inputs[0][:, 0] - 0.3) * 3e6)

    found = run(steep, [[[0.0]]], [[[1.0]]], max_nodes=5000)
    np.testing.assert_allclose(found.gradients[0].numpy(), [[1.0]], atol=1e-3)
    assert abs(found.errors[0]) <= 1e-4


def test_an_input_without_influence_has_gradient_zero():
    found = run(lambda inputs, rows: inputs[0].sum(dim=1), [[[0.0]], [[0.0]]], [[[1.0]], [[1.0]]])
    assert found.gradients[1].numpy().tolist() == [[0.0]]


def test_only_cells_of_large_errors_are_halved():
    path = Path()
    path.refine(np.array([0.0, 1.0, 0.1, 0.5, 0, 0, 0, 0]))
    assert len(path.cells) == 10
    assert path.cells[1:3] == [(0.125, 0.1875), (0.1875, 0.25)]
