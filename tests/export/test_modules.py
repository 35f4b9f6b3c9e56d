import pytest

from tests.export.cases import assert_file_agrees, documents, measurements, small


@pytest.mark.parametrize("shares", [(0.3, 0.9), (1.0, 0.0), (0.0, 1.0)])
@pytest.mark.parametrize("are_tokens", [True, False])
def test_shares_of_network_and_linear_model(shares, are_tokens, tmp_path):
    X, y = documents() if are_tokens else measurements()
    options = {"embedding_dim": 2} if are_tokens else {"n_kernels": 300}
    model = small(**options).fit(X, y)
    model.net_.module_.set_shares(*shares)
    assert_file_agrees(model, tmp_path / "model.onnx", X)
