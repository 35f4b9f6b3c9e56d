import copy
from functools import partial

import pytest
import torch

from sklstm._state._optimizer_state import check_optimizer_state, is_like
from tests.helpers import make_ragged, quick

X, Y = make_ragged()


def trained(optimizer):
    """A net whose optimizer has made steps, and the state of that, to be changed."""
    net = quick(hidden_sizes=3, max_epochs=2, optimizer=optimizer).fit(X, Y).net_
    return net, copy.deepcopy(net.optimizer_.state_dict())


class Growing(torch.optim.SGD):
    """A user's own: a list that grows, a switch, a name that comes late."""

    def step(self, closure=None):
        loss = super().step(closure)
        for group in self.param_groups:
            group["count"] = group.get("count", 0) + 1
            group["maximize"] = False
            for parameter in group["params"]:
                state = self.state[parameter]
                state.setdefault("seen", []).append(parameter.detach().clone())
                state["mean"] = torch.stack(state["seen"]).mean(dim=0).double()
                if group["count"] > 1:
                    state["late"] = torch.zeros(2)
                parameter.data.add_(0.0 * state["mean"])
        return loss


OPTIMIZERS = [
    "adam", "adamw", "rmsprop", "sgd", torch.optim.LBFGS, torch.optim.ASGD, torch.optim.NAdam,
    torch.optim.Adafactor, partial(torch.optim.Adam, amsgrad=True), torch.optim.SGD, Growing,
    lambda parameters, lr: torch.optim.AdamW(parameters, lr=torch.tensor(lr)),
]  # fmt: skip


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda o: getattr(o, "__name__", str(o)))
def test_the_state_of_steps_is_sound_and_stays_as_it_is(optimizer):
    net, state = trained(optimizer)
    before, weights = repr(state), repr(net.module_.state_dict())
    check_optimizer_state(net, state)
    check_optimizer_state(net, {**state, "state": {}})
    assert (repr(state), repr(net.module_.state_dict())) == (before, weights)
    assert repr(net.optimizer_.state_dict()) == before


def change_all(change):
    """Change each tensor of the state that is no count."""

    def forge(state):
        for entries in state["state"].values():
            for name, value in entries.items():
                if isinstance(value, torch.Tensor) and value.ndim:
                    entries[name] = change(value)

    return forge


FORM, WEIGHT, OPTIONS = "is malformed", "too large or NaN", "The options of the"
FORGERIES = [
    (FORM, change_all(lambda tensor: torch.ones(1))),
    (FORM, change_all(lambda tensor: tensor.reshape(-1, 1))),
    (FORM, change_all(torch.Tensor.double)),
    (FORM, change_all(lambda tensor: None)),
    (FORM, lambda s: s["state"][0].popitem()),
    (FORM, lambda s: s["state"][0].update(more=torch.ones(1))),
    (FORM, lambda s: s["state"].update({0: {}})),
    (FORM, lambda s: s["state"][0].update(step=torch.ones(1))),
    (WEIGHT, change_all(lambda tensor: torch.full_like(tensor, torch.nan))),
    (WEIGHT, lambda s: s["state"][1]["exp_avg"].fill_(1e30)),
    (WEIGHT, lambda s: s["state"][1]["exp_avg_sq"].fill_(-1.0)),
    (WEIGHT, lambda s: s["param_groups"][0].update(lr=float("inf"))),
    (OPTIONS, lambda s: s["param_groups"][0].update(lr="1")),
    (OPTIONS, lambda s: s["param_groups"][0].update(fused=False)),
    (OPTIONS, lambda s: s["param_groups"][0].update(capturable=True)),
    (OPTIONS, lambda s: s["param_groups"][0].update(betas=0.9)),
    (OPTIONS, lambda s: s["param_groups"][0].update(weight_decay=1)),
    (OPTIONS, lambda s: s["param_groups"][0].update(more=1)),
    (OPTIONS, lambda s: s["param_groups"][0]["params"].reverse()),
    ("different parameter groups", lambda s: s["param_groups"].append(s["param_groups"][0])),
    ("different parameter groups", lambda s: s.update(param_groups={})),
    ("a state of unknown weights", lambda s: s["state"].update({99: {}})),
    ("a state of unknown weights", lambda s: s["state"].update(a={})),
    ("cannot resume: Zero", lambda s: s["param_groups"][0].update(betas=(1.0, 0.9))),
]


@pytest.mark.parametrize(("match", "forge"), FORGERIES)
def test_what_is_refused_of_adam(match, forge):
    net, state = trained(partial(torch.optim.Adam, foreach=False))
    forge(state)
    with pytest.raises(ValueError, match=match):
        check_optimizer_state(net, state)


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop", "sgd", torch.optim.LBFGS, Growing])
def test_tensors_of_one_element(optimizer):
    net, state = trained(optimizer)
    change_all(lambda tensor: torch.ones(1, dtype=tensor.dtype))(state)
    with pytest.raises(ValueError, match=FORM):
        check_optimizer_state(net, state)


def test_what_is_refused_of_others():
    net, state = trained(Growing)
    for name, value in (("seen", [torch.ones(1)]), ("seen", 3), ("mean", 3)):
        forged = copy.deepcopy(state)
        forged["state"][0][name] = value
        with pytest.raises(ValueError, match=FORM):
            check_optimizer_state(net, forged)
    # What only a step tells.
    state["state"][0]["seen"] = ["a"]
    with pytest.raises(ValueError, match="The optimizer cannot resume: TypeError"):
        check_optimizer_state(net, state)


@pytest.mark.parametrize(
    ("reference", "given", "expected"),
    [
        (1.5, 2, True), (1.5, True, False), (1, 2, True), (1, 1.0, False), (1, False, False),
        (True, True, True), (True, False, False), (None, None, True), (None, 0, False),
        ("a", "a", True), ("a", "b", False), ([1, 2.0], [3, 4], True), ([1], (1,), False),
        ([1], [1, 1], False), ({"a": 1}, {"a": 2}, True), ({"a": 1}, {"b": 1}, False),
        ({}, 1, False),
        (torch.ones(2), torch.zeros(2), True), (torch.ones(2), torch.zeros(1), False),
        (torch.ones(2), torch.zeros(2).double(), False), (torch.ones(()), 1.0, False),
    ],
    ids=repr,
)  # fmt: skip
def test_likeness(reference, given, expected):
    assert is_like(reference, given) is expected
