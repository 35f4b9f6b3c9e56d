"""The page "Coming from Keras ...": each constructor call on it against plain torch.

The calls are taken from the page itself, so that neither can change without the other. Keras is
not installed: its layers are written out in torch, its callbacks as the few lines of their rule.
"""

import ast
import copy
import re
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.base import clone
from skorch.callbacks import Callback, EarlyStopping, LRScheduler
from torch import nn

from sklstm import LSTMSequenceClassifier
from sklstm._config._without_effect import OF_STOPPING
from tests.by_hand import Final, States, copy_weights, lstm
from tests.contract.test_documentation_code import blocks_of
from tests.helpers import FLOAT32

PAGE = Path(__file__).parents[2] / "docs/user_guide/coming_from.rst"
N_FEATURES, N_CLASSES = 10, 3


class Largest(nn.Module):
    """GlobalMaxPooling1D over the states."""

    def forward(self, output):
        return output[0].amax(dim=1)


class Average(nn.Module):
    """GlobalAveragePooling1D over the states."""

    def forward(self, output):
        return output[0].mean(dim=1)


class WithLengths(nn.Module):
    """A module that wants padded inputs and their lengths, for inputs without padding."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, inputs):
        return self.module(inputs, torch.full((len(inputs),), inputs.shape[1]))


def embedding(page, *, freeze):
    vectors = torch.as_tensor(page["vectors"], dtype=torch.float32)
    return nn.Embedding.from_pretrained(vectors, freeze=freeze, padding_idx=0)


def last_state(width):
    return [lstm(N_FEATURES, width), Final(), nn.Linear(width, N_CLASSES)]


# What stands above each call on the page, on 10 features and 3 classes.
BY_HAND = {
    "one_layer": lambda page: last_state(64),
    "stacked": lambda page: [
        lstm(10, 128), States(), nn.Dropout(0.2), lstm(128, 64), Final(), nn.Dropout(0.2),
        nn.Linear(64, 3),
    ],
    "both_ways": lambda page: [
        lstm(10, 64, True), States(), lstm(128, 32, True), Final(), nn.Linear(64, 3),
    ],
    "with_dense": lambda page: [
        lstm(10, 128), Final(), nn.Dropout(0.5), nn.Linear(128, 64), nn.ReLU(), nn.Dropout(0.5),
        nn.Linear(64, 3),
    ],
    "average": lambda page: [lstm(10, 64), Average(), nn.Linear(64, 3)],
    "reviews": lambda page: [
        nn.Embedding(5000, 64, padding_idx=0), lstm(64, 64, True), Final(), nn.Linear(128, 3),
    ],
    "tokens": lambda page: [
        nn.Embedding(5000, 100, padding_idx=0), lstm(100, 64), Final(), nn.Linear(64, 3),
    ],
    "frozen": lambda page: [
        embedding(page, freeze=True), lstm(50, 64), Final(), nn.Linear(64, 3),
    ],
    "tuned": lambda page: [
        embedding(page, freeze=False), nn.Dropout(0.3), lstm(50, 64, True), Final(),
        nn.Dropout(0.3), nn.Linear(128, 3),
    ],
    "penalised": lambda page: [
        lstm(10, 32), Final(), nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 3),
    ],
    "compiled": lambda page: last_state(32),
    "stopping": lambda page: [lstm(10, 16, True), Largest(), nn.Linear(32, 3)],
    "searched": lambda page: [lstm(10, 8), Final(), nn.Dropout(0.2), nn.Linear(8, 3)],
    "by_loop": lambda page: [WithLengths(page["Classifier"](10, 3))],
    "by_skorch": lambda page: [page["LastState"](10, 3)],
}  # fmt: skip


def code_of_the_page():
    return [code for language, _, code in blocks_of(PAGE.read_text()) if language == "python"]


@pytest.fixture(scope="module")
def page():
    """What the page's code leaves behind, its classifiers included."""
    namespace = {"__name__": "__main__"}
    for block in code_of_the_page():
        exec(compile(block, PAGE.name, "exec"), namespace)  # noqa: S102
    return namespace


def make_sequences(classifier, seed=0):
    """Sequences of unequal length, of token ids if the classifier has an embedding, and labels."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(3, 10, size=24)
    y = np.arange(24) % N_CLASSES
    if classifier.embedding_dim is not None or classifier.embedding_weights is not None:
        return [rng.integers(2, 2000, size=length) for length in lengths], y
    return [rng.normal(3, 2, size=(length, N_FEATURES)) for length in lengths], y


def as_given(X, name):
    """What the classifier of that name is given: for ``Masking(mask_value=-1.0)``, a rectangle."""
    if name != "average":
        return X
    padded = np.full((len(X), max(map(len, X)), N_FEATURES), -1.0)
    for row, sequence in zip(padded, X, strict=True):
        row[: len(sequence)] = sequence
    return padded


def as_tensors(X, name):
    """Each sequence as a batch of its own, scaled by hand unless Keras' own training is meant."""
    if X[0].ndim == 1:
        return [torch.from_numpy(ids)[None] for ids in X]
    timesteps = np.concatenate(X)
    mean, scale = timesteps.mean(axis=0), timesteps.std(axis=0)
    if name == "compiled":
        mean, scale = 0.0, 1.0
    return [torch.as_tensor((x - mean) / scale, dtype=torch.float32)[None] for x in X]


def fit_briefly(page, name, X, y):
    """The classifier of the page, trained for one epoch on other data than the page's."""
    defaults = LSTMSequenceClassifier().get_params()
    of_stopping = {name: defaults[name] for name in ("validation_fraction", *OF_STOPPING)}
    brief = clone(page[name]).set_params(**of_stopping, early_stopping=False)
    brief.set_params(max_epochs=1, class_weight=None)
    return brief.fit(as_given(X, name), y)


def test_each_call_on_the_page_is_tested():
    trees = [ast.parse(block) for block in code_of_the_page()]
    calls = [
        node
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "LSTMSequenceClassifier"
    ]
    names = [
        node.targets[0].id
        for tree in trees
        for node in tree.body
        if isinstance(node, ast.Assign) and node.value in calls
    ]
    assert len(calls) == len(names)
    assert names == list(BY_HAND)


@pytest.mark.parametrize("name", BY_HAND)
def test_logits_agree_with_torch(name, page):
    """Sequences of unequal length in one batch, against each of them alone."""
    X, y = make_sequences(page[name])
    fitted = fit_briefly(page, name, X, y)
    by_hand = nn.Sequential(*BY_HAND[name](page)).eval()
    copy_weights(fitted.net_.module_, by_hand)
    with torch.no_grad():
        expected = torch.cat([by_hand(x) for x in as_tensors(X, name)]).cpu().numpy()
    np.testing.assert_allclose(fitted.decision_function(as_given(X, name)), expected, **FLOAT32)


@pytest.mark.parametrize("name", BY_HAND)
def test_the_same_weights_are_trained(name, page):
    fitted = fit_briefly(page, name, *make_sequences(page[name]))
    ours, theirs = (
        sorted(p.numel() for p in module.parameters() if p.requires_grad)
        for module in (fitted.net_.module_, nn.Sequential(*BY_HAND[name](page)))
    )
    assert ours == theirs


@pytest.mark.parametrize("name", sorted(BY_HAND.keys() - {"by_loop"}))
def test_dropout_stands_in_the_same_places(name, page):
    """Under one seed the same masks are drawn in the same order."""
    X, y = make_sequences(page[name])
    network = fit_briefly(page, name, X, y).net_.module_.train()
    by_hand = nn.Sequential(*BY_HAND[name](page)).train()
    copy_weights(network, by_hand)
    inputs = torch.cat([x[:, :3] for x in as_tensors(X, name)])
    torch.manual_seed(3)
    logits = network(inputs)
    torch.manual_seed(3)
    torch.testing.assert_close(logits, by_hand(inputs), **FLOAT32)


def test_dropout_stands_in_the_same_places_of_the_stacked_torch_module(page):
    # Packed states are dropped in another order, so that the masks cannot be compared.
    module = page["Classifier"](N_FEATURES, N_CLASSES)
    assert module.lstm.dropout == module.dropout.p == page["by_loop"].dropout


class KeepFirst(Callback):
    """Keeps the network as it is before the first step, and how many sequences it trains on."""

    def on_train_begin(self, net, X=None, **kwargs):
        self.network = copy.deepcopy(net.module_)
        self.n_sequences = len(X)


def train_by_hand(module, optimizer, X, codes, weights, *, l2=0.0, max_norm=None):
    """Three steps on all sequences at once, each run through the module alone."""
    for _ in range(3):
        logits = torch.cat([module(x) for x in X])
        losses = nn.functional.cross_entropy(logits, codes, reduction="none")
        matrices = [p for name, p in module.named_parameters() if "weight" in name]
        penalty = l2 * sum((matrix**2).sum() for matrix in matrices)
        optimizer.zero_grad()
        ((losses * weights).sum() / weights.sum() + penalty).backward()
        if max_norm is not None:
            nn.utils.clip_grad_norm_(module.parameters(), max_norm)
        optimizer.step()


# Adam is what the page names. It hides the size of the gradients, which SGD shows.
@pytest.mark.parametrize("optimizer", [torch.optim.Adam, torch.optim.SGD])
@pytest.mark.parametrize(
    ("name", "lr", "weight", "options"),
    [
        ("compiled", 0.001, 3.0, {}),
        ("by_skorch", 0.001, 1.0, {}),
        ("by_loop", 0.001, 1.0, {"max_norm": 1.0}),
        ("penalised", 0.005, 1.0, {"l2": 0.01, "max_norm": 1.0}),
    ],
)
def test_training_agrees_with_a_loop_in_torch(name, lr, weight, options, optimizer, page):
    """All sequences in one batch, so that nothing is left to chance."""
    first = KeepFirst()
    fitted = clone(page[name]).set_params(
        batch_size=100, max_epochs=3, dropout=0, lr_schedule=None, mixup_alpha=0, callbacks=[first]
    )
    assert fitted.optimizer == "adam"
    if optimizer is torch.optim.SGD:
        fitted.set_params(optimizer=torch.optim.SGD)
    X, y = make_sequences(fitted)
    codes = torch.from_numpy(y)
    fitted.fit(X, np.array(["falling", "flat", "rising"])[y])

    by_hand = nn.Sequential(*BY_HAND[name](page)).eval()
    copy_weights(first.network, by_hand)
    inputs = as_tensors(X, name)
    weights = torch.where(codes == 2, weight, 1.0)
    step = optimizer(by_hand.parameters(), lr=lr)
    train_by_hand(by_hand, step, inputs, codes, weights, **options)
    with torch.no_grad():
        expected = torch.cat([by_hand(x) for x in inputs]).cpu().numpy()
    # Adam divides by the size of the gradient: where that is small, rounding weighs more.
    np.testing.assert_allclose(fitted.decision_function(X), expected, rtol=1e-4, atol=1e-5)


def test_the_printed_schedule_is_constant(page):
    for name in ("compiled", "by_skorch", "by_loop"):
        X, y = make_sequences(page[name])
        fitted = fit_briefly(page, name, X, y).set_params(max_epochs=4).fit(X, y)
        assert set(fitted.history_["learning_rate"]) == {0.001}


def settings_in_the_tables():
    """The constructor's settings that the page writes in words, such as ``tol=0.0``, as dicts."""
    for snippet in re.findall(r"``([^`]+)``", PAGE.read_text()):
        with suppress(SyntaxError, ValueError):
            call = ast.parse(f"dict({snippet})", mode="eval").body
            settings = {k.arg: ast.literal_eval(k.value) for k in call.keywords}
            if settings and settings.keys() <= LSTMSequenceClassifier().get_params().keys():
                yield snippet, settings


def test_every_setting_in_words_has_an_effect():
    X, y = make_sequences(LSTMSequenceClassifier())
    found = dict(settings_in_the_tables())
    assert 'early_stopping="last", validation_fraction=0.2' in found
    for settings in found.values():
        # Keras' weights name codes, ours the labels of the page.
        is_ours = "rising" in settings.get("class_weight", ())
        labels = np.array(["falling", "flat", "rising"])[y] if is_ours else y
        # A warning would be an error.
        LSTMSequenceClassifier(**{"hidden_sizes": 4, **settings, "max_epochs": 1}).fit(X, labels)


def keras_stops(losses, patience):
    """EarlyStopping(patience=...): the epoch after which it stops, and the best; None if never."""
    best, wait, best_epoch = np.inf, 0, 0
    for epoch, loss in enumerate(losses, start=1):
        wait += 1
        if loss < best:
            best, wait, best_epoch = loss, 0, epoch
        if wait >= patience:
            return epoch, best_epoch
    return None


def keras_reduces(losses, rate, factor, patience, min_delta=1e-4):
    """ReduceLROnPlateau(factor=..., patience=...): the rate of each epoch."""
    rates, best, wait = [], np.inf, 0
    for loss in losses:
        rates.append(rate)
        if loss < best - min_delta:
            best, wait = loss, 0
        else:
            wait += 1
            if wait >= patience:
                rate, wait = rate * factor, 0
    return rates


def test_stopping_and_plateau_follow_the_rules_of_keras(page):
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(length, N_FEATURES)) for length in rng.integers(3, 10, size=60)]
    first = KeepFirst()
    # The labels have nothing to do with the sequences: the loss of those held out rises soon.
    fitted = clone(page["stopping"]).set_params(max_epochs=100, callbacks=[first])
    fitted.fit(X, rng.permutation(60) % 2)
    assert first.n_sequences == 48  # validation_split=0.2
    losses, rates = fitted.history_["valid_loss"], fitted.history_["learning_rate"]
    assert (fitted.n_iter_, fitted.best_epoch_) == keras_stops(losses, patience=12)
    np.testing.assert_allclose(rates, keras_reduces(losses, 0.005, factor=0.5, patience=5))
    assert rates[-1] < rates[0]


def callback_in_the_table(start):
    """A callback of skorch's that the page writes in words."""
    snippets = re.findall(r"``([^`]+)``", PAGE.read_text())
    (snippet,) = {snippet for snippet in snippets if snippet.startswith(start)}
    return eval(snippet, {"EarlyStopping": EarlyStopping, "LRScheduler": LRScheduler})  # noqa: S307


def fit_with_callback(page, callback, n_epochs):
    """Fitted to labels that have nothing to do with the sequences, with validation data."""
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(length, N_FEATURES)) for length in rng.integers(3, 10, size=60)]
    y = rng.permutation(60) % 2
    as_keras = {"lr_schedule": None, "mixup_alpha": 0, "learning_rate": 0.005, "random_state": 0}
    fitted = clone(page["one_layer"]).set_params(**as_keras, max_epochs=n_epochs)
    fitted.set_params(callbacks=[callback])
    return fitted.fit(X[:48], y[:48], X_val=X[48:], y_val=y[48:])


def test_the_schedule_of_skorch_follows_the_rule_of_keras(page):
    scheduler = callback_in_the_table('LRScheduler("ReduceLROnPlateau"')
    history = fit_with_callback(page, scheduler, n_epochs=40).history_
    losses, rates = history["valid_loss"], history["learning_rate"]
    np.testing.assert_allclose(rates, keras_reduces(losses, 0.005, factor=0.1, patience=10))
    assert rates[-1] < 0.1 * rates[0]


def test_the_stopping_of_skorch_follows_the_rule_of_keras(page):
    stopper = callback_in_the_table("EarlyStopping(patience=12, threshold=0")
    fitted = fit_with_callback(page, stopper, n_epochs=100)
    losses = fitted.history_["valid_loss"]
    assert (fitted.n_iter_, np.argmin(losses) + 1) == keras_stops(losses, patience=12)
