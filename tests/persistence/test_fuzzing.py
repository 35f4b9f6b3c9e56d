"""Model files with bits, ends and statements changed: an error or a sound model, never less."""

import copy
import random
import time

import numpy as np
import pytest

from sklstm import load_model, save_model
from sklstm.exceptions import ModelFileError
from tests.helpers import make_ragged, quick
from tests.persistence.forgery import forge, parts_of

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

# Forgery: JSON edited by someone who then puts the right checksum on it ---------------------------

VALUES = [
    None, True, False, 0, 1, 2, -1, 10**9, 10**30, 0.5, -0.0, 1e308, "", "a", "cuda", "__class__",
    "os.system", [], {}, [1], {"a": 1}, {"$tuple": [8]}, {"$tuple": []}, {"$tuple": [10**6]},
    {"$float": "nan"}, {"$float": "inf"}, {"$number": ["int64", 3]}, {"$text": [1, ["a", "b"]]},
    {"$text": [10**8, ["a", "b"]]}, {"$objects": ["a", None]}, {"$dict": [[0, 1]]},
    {"$array": "state/_scaling/mean"}, {"$array": "state/net_/weights/head.1.weight"},
    {"$dates": ["datetime64[s]", "state/history_/epoch"]}, {"class": "Adam", "options": {"a": 1}},
]  # fmt: skip


def places(value, place=()):
    """The way to each value inside a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        yield (*place, key)
        if isinstance(item, (dict, list)):
            yield from places(item, (*place, key))


def edit(document, arrays, rng):
    """Change one to three statements, or one array, in place."""
    for _ in range(rng.randint(1, 3)):
        *way, last = rng.choice(list(places(document["content"])))
        inner = document["content"]
        for key in way:
            inner = inner[key]
        change = rng.choice(["set", "set", "set", "delete", "add"])
        value = copy.deepcopy(rng.choice(VALUES))
        if change == "delete":
            del inner[last]
        elif change == "add" and isinstance(inner, dict):
            inner[rng.choice(["a", "$tuple", "__init__", "fit", "net_"])] = value
        else:
            inner[last] = value
    if rng.random() < 0.3:
        name = rng.choice(sorted(arrays))
        arrays[name] = rng.choice([
            arrays[name].ravel(), arrays[name][:0], arrays[name].astype(np.float64),
            np.full_like(arrays[name], np.nan if arrays[name].dtype.kind == "f" else -1),
        ])  # fmt: skip


class Tally:
    """What came of the files, and how long the slowest took."""

    def __init__(self):
        self.refused = self.loaded = 0
        self.slowest = 0.0

    def load(self, path):
        """The model, or None if the file is refused; any other error is a failure of the test."""
        begin = time.perf_counter()
        try:
            model = load_model(path)
        except ModelFileError:
            model = None
        self.slowest = max(self.slowest, time.perf_counter() - begin)
        self.refused += model is None
        self.loaded += model is not None
        return model


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


def report(say, what, tally):
    say(
        f"{what}: {tally.refused + tally.loaded} files, {tally.refused} refused,"
        f" {tally.loaded} loaded, slowest {1000 * tally.slowest:.1f} ms"
    )


def test_a_hundred_files(saved, tmp_path):
    damaged = fuzz_with_damage(saved, tmp_path / "damaged", 50)
    forged = fuzz_with_forgery(saved, tmp_path / "forged", 50)
    assert damaged.refused >= 45
    assert forged.refused > 0
    assert forged.loaded > 0


@pytest.mark.slow
def test_thousands_of_files(saved, tmp_path, say):
    damaged = fuzz_with_damage(saved, tmp_path / "damaged", 7_000)
    report(say, "Damaged model files", damaged)
    forged = fuzz_with_forgery(saved, tmp_path / "forged", 3_000)
    report(say, "Forged model files with a right checksum", forged)
    # A load is a few milliseconds; seconds would be a way to make a service hang.
    assert max(damaged.slowest, forged.slowest) < 2.0
