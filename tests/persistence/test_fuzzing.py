"""Files with bits, ends and statements changed: an error or what is sound, never less."""

import random
import shutil
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from sklstm import load_model, save_model
from sklstm.exceptions import ModelFileError
from tests.crashing import crash_after
from tests.helpers import make_ragged, quick
from tests.persistence.forgery import edit, forge, parts_of, peak, run_elsewhere

X, Y = make_ragged(20)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("fuzzing") / "model.safetensors"
    labels = np.array(["no", "yes"], dtype=object)[Y]
    save_model(quick(hidden_sizes=3, dense_sizes=(2,), max_epochs=2).fit(X, labels), path)
    return path


# Damage: what happens to files --------------------------------------------------------------------


def flip_bits(content, rng):
    damaged = bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 8])):
        damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
    return bytes(damaged)


def flip_bits_of_the_header(content, rng):
    damaged = bytearray(content)
    damaged[rng.randrange(8)] ^= 1 << rng.randrange(8)
    return bytes(damaged)


def truncate(content, rng):
    return content[: rng.randrange(len(content))]


def extend(content, rng):
    return content + rng.randbytes(rng.choice([1, 8, 1000]))


def overwrite(content, rng):
    start = rng.randrange(len(content))
    junk = rng.choice([b"\0", b"\xff", rng.randbytes(1)]) * rng.randint(1, 600)
    return (content[:start] + junk + content[start + len(junk) :])[: len(content)]


def cut_out(content, rng):
    start = rng.randrange(len(content))
    return content[:start] + content[start + rng.randint(1, 600) :]


def repeat_a_part(content, rng):
    start = rng.randrange(len(content))
    return content[: start + rng.randint(1, 600)] + content[start:]


DAMAGES = [
    flip_bits, flip_bits_of_the_header, truncate, extend, overwrite, cut_out, repeat_a_part,
]  # fmt: skip


class Tally:
    """What came of the files, and how long the slowest took."""

    def __init__(self):
        self.refused = self.loaded = 0
        self.slowest = 0.0

    def load(self, path):
        """The model, or None if the file is refused; any other error is a failure of the test."""
        return self.take(lambda: load_model(path))

    def take(self, make):
        """What is made of a file, or None if that is refused."""
        begin = time.perf_counter()
        try:
            made = make()
        except ModelFileError:
            made = None
        except ValueError as error:
            # Checkpoints only: one that says that it belongs to a different fit.
            assert " belongs to a different fit: " in str(error)  # noqa: PT017
            made = None
        self.slowest = max(self.slowest, time.perf_counter() - begin)
        self.refused += made is None
        self.loaded += made is not None
        return made


def fuzz_with_damage(saved, path, n):
    rng, tally, whole = random.Random(0), Tally(), saved.read_bytes()
    for number in range(n):
        damaged = DAMAGES[number % len(DAMAGES)](whole, rng)
        path.write_bytes(damaged)
        assert tally.load(path) is None or damaged == whole
    return tally


def fuzz_with_forgery(saved, path, n):
    rng, tally = random.Random(0), Tally()
    expected = load_model(saved).predict_proba(X)
    for _ in range(n):
        document, arrays = parts_of(saved)
        edit(document, arrays, rng)
        forge(path, document, arrays)
        model = tally.load(path)
        if model is None:
            continue
        # It says other things than it did, but it is whole: probabilities of as many classes.
        try:
            probabilities = model.predict_proba(X)
        except ValueError as error:
            # Such as columns, where it was given sequences.
            assert "X has" in str(error) or "X is" in str(error)  # noqa: PT017
            continue
        assert probabilities.shape == expected.shape
        np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
    return tally


def fuzz_checkpoints(folder, n):
    """Forged checkpoints of all kinds in turn: what a fit makes of each."""
    rng, tally = random.Random(0), Tally()
    paths = {kind: folder / f"{number} {kind}" for number, kind in enumerate(CHECKPOINTS)}
    for kind, path in paths.items():
        path.unlink(missing_ok=True)
        crash_after(CHECKPOINTS[kind][0], X, Y, checkpoint=path, **CHECKPOINTS[kind][1])
    for number in range(n):
        kind = list(CHECKPOINTS)[number % len(CHECKPOINTS)]
        document, arrays = parts_of(paths[kind])
        edit(document, arrays, rng)
        forge(folder / "forged", document, arrays)
        classifier = quick(checkpoint=folder / "forged", **CHECKPOINTS[kind][1])
        if tally.take(lambda classifier=classifier: classifier.fit(X, Y)) is None:
            assert set(vars(classifier)) == set(classifier.get_params())
        else:
            probabilities = classifier.predict_proba(X)
            np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-6)
    return tally


# How many epochs are done, and of which fit.
STOPPING = {"early_stopping": True, "validation_fraction": 0.25, "max_epochs": 4}
CHECKPOINTS = {
    "default": (2, {"max_epochs": 3}),
    "not begun": (0, {"max_epochs": 2}),
    "adamw": (2, {"optimizer": "adamw", "lr_schedule": "plateau", **STOPPING}),
    "sgd": (1, {"optimizer": "sgd", "lr_schedule": None, "max_epochs": 2, "dropout": 0.2}),
    "rmsprop": (1, {"optimizer": "rmsprop", "lr_schedule": "exponential", "max_epochs": 2}),
    "lbfgs": (1, {"optimizer": torch.optim.LBFGS, "max_epochs": 2}),
    "convolutions": (2, {"conv_filters": (4,), "mixup_alpha": 0.5, "max_epochs": 3}),
    "dense": (3, {"dense_sizes": (2,), **STOPPING}),
}


def fuzz_elsewhere(what, folder, n):
    """Fuzz in a process of its own; bytes above what a sound file takes, with its size."""
    folder = Path(folder)
    warnings.simplefilter("ignore")
    if what == "checkpoints":
        fuzz_checkpoints(folder, len(CHECKPOINTS))
        before = peak()
        tally = fuzz_checkpoints(folder, int(n))
    else:
        saved = folder / "model.safetensors"
        FUZZERS[what](saved, folder / "changed", 10)
        before = peak()
        tally = FUZZERS[what](saved, folder / "changed", int(n))
    return {**vars(tally), "peak": peak() - before}


FUZZERS = {"damage": fuzz_with_damage, "forgery": fuzz_with_forgery}


def report(say, what, figures):
    say(
        f"{what}: {figures['refused'] + figures['loaded']} files, {figures['refused']} refused,"
        f" {figures['loaded']} loaded, slowest {1000 * figures['slowest']:.1f} ms,"
        f" {figures['peak'] / 1e6:.0f} MB more than a sound file"
    )


def test_a_hundred_files(saved, tmp_path):
    damaged = fuzz_with_damage(saved, tmp_path / "damaged", 50)
    forged = fuzz_with_forgery(saved, tmp_path / "forged", 50)
    assert damaged.refused >= 45
    assert forged.refused > 0
    assert forged.loaded > 0


def test_forty_checkpoints(tmp_path):
    forged = fuzz_checkpoints(tmp_path, 40)
    assert forged.refused > 30
    assert forged.loaded > 0


@pytest.mark.parametrize("kind", ["default", "adamw", "sgd", "rmsprop", "lbfgs"])
def test_the_state_of_an_optimizer_with_one_element_in_each_tensor(tmp_path, kind):
    """Its steps read and write as much as the weights have, wherever that is in memory."""
    path, (n_epochs, parameters) = tmp_path / "file", CHECKPOINTS[kind]
    crash_after(n_epochs, X, Y, checkpoint=path, **parameters)
    document, arrays = parts_of(path)
    for name, array in arrays.items():
        if name.startswith("net/optimizer/state") and array.ndim:
            arrays[name] = np.ones(1, dtype=array.dtype)
    forge(path, document, arrays)
    figures = run_elsewhere("tests.persistence.test_fuzzing.go_on", path, kind)
    assert figures == ["ModelFileError", True]


def go_on(path, kind):
    """What the error of a fit with this checkpoint is, and whether it names the optimizer."""
    try:
        quick(checkpoint=path, **CHECKPOINTS[kind][1]).fit(X, Y)
    except Exception as error:
        return type(error).__name__, "the optimizer" in str(error)
    return None


LIMIT = 200e6


@pytest.mark.slow
@pytest.mark.parametrize(
    ("what", "n"), [("damage", 7_000), ("forgery", 5_000), ("checkpoints", 2_000)]
)
def test_thousands_of_files(saved, tmp_path, say, what, n):
    if what != "checkpoints":
        shutil.copy(saved, tmp_path / "model.safetensors")
    figures = run_elsewhere("tests.persistence.test_fuzzing.fuzz_elsewhere", what, tmp_path, n)
    report(say, what, figures)
    assert figures["peak"] < LIMIT
    # A load is a few milliseconds; seconds would be a way to make a service hang.
    assert what == "checkpoints" or figures["slowest"] < 2.0
