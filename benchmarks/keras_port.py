"""Five networks in Keras and as calls of the estimator: ``python -m benchmarks.keras_port``.

The networks are in ``benchmarks/contestants/port_keras.py`` and ``port_ours.py``. Both get the same
sequences, epochs, batch size and learning rate; each works in a process of its own, on one core,
and they fit in turns, once with each seed. Times are of the processor. Keras needs
``.venv-keras``, which ``make bench`` makes. With ``--data FOLDER`` the network of token ids is also
trained on the folder's ``trec``.
"""

from __future__ import annotations

import argparse
import ast
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from tabulate import tabulate

from benchmarks.data import Archive, Data
from benchmarks.harness import Case, Entry, Shelf, measure
from benchmarks.machine import Clock, describe, environment
from benchmarks.processes import Pool
from benchmarks.results import spread, write_down
from benchmarks.sets import find_sets
from benchmarks.work import Settings
from sklstm.preprocessing import TokenEncoder

RESULTS = Path(__file__).parent / "results" / "keras_port"
CONTESTANTS = Path(__file__).parent / "contestants"
NETWORKS = {
    "stacked": "stacked",
    "both_ways": "bidirectional",
    "tokens": "embedding",
    "lstm_fcn": "MLSTM-FCN",
    "four_layers": "four layers",
}
SERIES = ("JapaneseVowels", "ItalyPowerDemand")
EPOCHS = {"trec": 10}

TEMPLATES = {
    "book": ["i want to book a {way} from {here} to {there}", "can i book the {time} {way}",
             "get me a {way} to {there} please"],
    "price": ["how much is a {way} from {here} to {there}", "what does the {time} {way} cost",
              "i want to know the price of a {way} to {there}"],
    "move": ["can i move the {way} i want to {there} to the {time}",
             "please book my {way} to {there} over to the {time}",
             "i want my {way} from {here} on the {time} and not this one"],
    "cancel": ["i do not want the {way} to {there} any more", "cancel my {way} from {here}",
               "please take back the {way} i booked for the {time}"],
}  # fmt: skip
CITIES = ("rome", "oslo", "lima", "cairo", "delhi", "quito", "seoul", "perth")


# Data -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Shuffled:
    """A set of aeon's wheel whose training sequences are in random order.

    Keras' ``validation_split`` takes the last sequences, and the archive sorts them by class.
    """

    name: str

    def make(self) -> Data:
        """The parts of the archive."""
        data = Archive(self.name).make()
        order = np.random.default_rng(0).permutation(len(data.X))
        return Data([data.X[i] for i in order], data.y[order], data.X_test, data.y_test)


@dataclass(frozen=True)
class Requests:
    """Generated requests and their intents, as token ids; one word of eight is another one."""

    n_train: int = 400
    n_test: int = 1000

    def make(self) -> Data:
        """The requests, the same ones each time."""
        rng = np.random.default_rng(0)
        intents = rng.choice(list(TEMPLATES), size=self.n_train + self.n_test)
        return _encoded([write(str(intent), rng) for intent in intents], intents, self.n_train)


@dataclass(frozen=True)
class Texts:
    """Texts of a folder, as token ids."""

    name: str
    folder: Path

    def make(self) -> Data:
        """The parts of the folder."""
        source = find_sets(self.folder)[self.name]
        (texts, labels), (others, their_labels) = source.read("train"), source.read("test")
        order = np.random.default_rng(0).permutation(len(texts))
        texts, labels = [texts[i] for i in order], labels[order]
        return _encoded([*texts, *others], np.append(labels, their_labels), len(texts))


Recipe = Shuffled | Requests | Texts


def write(intent: str, rng: np.random.Generator) -> str:
    """A request with that intent."""
    here, there = rng.choice(CITIES, size=2, replace=False)
    words = {
        "here": here,
        "there": there,
        "way": rng.choice(["flight", "train", "ferry", "bus"]),
        "time": rng.choice(["morning", "evening", "fifth of may", "last day"]),
    }
    text = str(rng.choice(TEMPLATES[intent])).format(**words).split()
    others = str(rng.choice(TEMPLATES[str(rng.choice(list(TEMPLATES)))])).format(**words).split()
    return " ".join(str(rng.choice(others)) if rng.uniform() < 1 / 8 else word for word in text)


def _encoded(texts: list[str], labels: np.ndarray, n_train: int) -> Data:
    ids = TokenEncoder().fit(texts[:n_train]).transform(texts)
    X = [np.asarray(x, dtype=np.int64) for x in ids]
    codes = np.unique(labels, return_inverse=True)[1]
    return Data(X[:n_train], codes[:n_train], X[n_train:], codes[n_train:])


# Measuring --------------------------------------------------------------------------------------


def find_sets_of(network: str, folder: Path | None) -> dict[str, Recipe]:
    """The sets that a network is trained on, by name."""
    if network != "tokens":
        return {name: Shuffled(name) for name in SERIES}
    texts = {} if folder is None else {"trec": Texts("trec", folder)}
    return {"requests": Requests(), **texts}


def case_of(network: str, name: str, recipe: Recipe, epochs: int) -> Case:
    """Keras, and the same network of ours."""
    settings = Settings(case=network, epochs=epochs)
    entries = (
        Entry("Keras", "port_keras", "train", settings, recipe, cores=1),
        Entry("sklstm", "port_ours", "train", settings, recipe, cores=1),
    )
    return Case(f"{network} on {name}", "fit", entries)


def defaults_case(name: str, recipe: Recipe) -> Case:
    """Our defaults, which know nothing of the five networks."""
    settings = Settings(has_defaults=True)
    entry = Entry("defaults", "port_ours", "train", settings, recipe, process="sklstm", cores=1)
    return Case(f"defaults on {name}", "fit", (entry,))


def run(folder: Path | None, n_seeds: int, epochs: int) -> Iterator[dict[str, Any]]:
    """What has been measured after each case, with the machine it ran on."""
    cases: list[tuple[str, str, Case]] = []
    for network in NETWORKS:
        for name, recipe in find_sets_of(network, folder).items():
            case = case_of(network, name, recipe, EPOCHS.get(name, epochs))
            cases.append((network, name, case))
    for name, recipe in (find_sets_of("stacked", folder) | find_sets_of("tokens", folder)).items():
        cases.append(("defaults", name, defaults_case(name, recipe)))
    found: list[dict[str, Any]] = []
    clock, where = Clock(), environment()
    with Pool() as pool, tempfile.TemporaryDirectory() as scratch:
        shelf = Shelf(scratch)
        for network, name, case in cases:
            records = [asdict(record) for record in measure(case, pool, shelf, n_seeds)]
            found.append({"network": network, "set": name, "records": records})
            seconds, busy_elsewhere = clock.read()
            yield {
                "recorded": str(date.today()),
                "seconds": seconds,
                "busy_elsewhere": busy_elsewhere,
                "environment": where,
                "cases": found,
            }


# Tables -----------------------------------------------------------------------------------------


def parameters_table(cases: Sequence[dict[str, Any]], form: str) -> str:
    """Numbers of trained parameters."""
    return _both_sides(cases, form, ("parameters: Keras", "sklstm"),
                       lambda keras, ours: (_mean(keras, "parameters", ",.0f"),
                                            _mean(ours, "parameters", ",.0f")))  # fmt: skip


def results_table(cases: Sequence[dict[str, Any]], form: str) -> str:
    """Accuracy and log-loss, means over the seeds."""
    headers = ("accuracy: Keras", "sklstm", "log-loss: Keras", "sklstm")
    return _both_sides(cases, form, headers,
                       lambda *records: (*(_mean(record, "accuracy") for record in records),
                                         *(_mean(record, "log_loss") for record in records)),
                       )  # fmt: skip


def times_table(cases: Sequence[dict[str, Any]], form: str) -> str:
    """Seconds of fits, and Keras' times as multiples of ours, round by round."""
    headers = ("fit, s: Keras", "sklstm", "fit: ratio", "predict: ratio")
    return _both_sides(cases, form, headers,
                       lambda keras, ours: (_mean(keras, "fit", ".1f"), _mean(ours, "fit", ".1f"),
                                            _ratio(keras, ours, "fit"),
                                            _ratio(keras, ours, "predict")))  # fmt: skip


def _both_sides(
    cases: Sequence[dict[str, Any]],
    form: str,
    headers: Sequence[str],
    cells: Callable[..., tuple[str, ...]],
) -> str:
    """A table with a row for each network and set, the defaults left out."""
    rows = [
        (NETWORKS[case["network"]], case["set"], *cells(*case["records"]))
        for case in cases
        if case["network"] != "defaults"
    ]
    headers = ("network", "data set", *headers)
    return tabulate(rows, headers, tablefmt=form, disable_numparse=True)


def defaults_table(cases: Sequence[dict[str, Any]], form: str) -> str:
    """What the estimator does with nothing set."""
    rows = []
    for case in cases:
        if case["network"] != "defaults":
            continue
        (record,) = case["records"]
        rows.append((case["set"], _mean(record, "accuracy"), _mean(record, "log_loss"),
                     _mean(record, "fit", ".1f")))  # fmt: skip
    headers = ("data set", "accuracy", "log-loss", "fit in s")
    return tabulate(rows, headers, tablefmt=form, disable_numparse=True)


def lines_table(form: str) -> str:
    """Lines of code of each network, with what all networks of a side share."""
    keras, ours = (CONTESTANTS / f"port_{side}.py" for side in ("keras", "ours"))
    around = count_lines(keras, "prepare") + count_lines(keras, "fit")
    as_keras = count_lines(ours, "AS_KERAS")
    rows = []
    for network, title in NETWORKS.items():
        stopping = count_lines(keras, "stopping") if network == "four_layers" else 0
        there, here = count_lines(keras, network), count_lines(ours, network)
        rows.append((title, there + around + stopping, here + as_keras, here - 1))
    headers = ("network", "Keras", "sklstm, trained as in Keras", "sklstm, trained its own way")
    return tabulate(rows, headers, tablefmt=form)


def count_lines(path: Path, name: str) -> int:
    """Lines of a function's body without its docstring, or of an assignment."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            body = node.body[1:] if ast.get_docstring(node) else node.body
            source = path.read_text().splitlines()[body[0].lineno - 1 : node.end_lineno]
            return sum(bool(line.strip()) for line in source)
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == name:
            return (node.end_lineno or node.lineno) - node.lineno + 1
    raise ValueError(f"{path.name} has no {name}")


def tables(found: dict[str, Any]) -> dict[str, str]:
    """All tables of the page, by name of their file."""
    noise = found["busy_elsewhere"]
    beside = "" if noise is None else f", other processes took {noise:.0%} of the cores"
    where = f"{describe(found['environment'])} Each fit and prediction ran on one core."
    when = f"Recorded on {found['recorded']} in {found['seconds']:.0f} seconds{beside}."
    return {
        "parameters": parameters_table(found["cases"], "rst"),
        "results": results_table(found["cases"], "rst"),
        "times": times_table(found["cases"], "rst"),
        "defaults": defaults_table(found["cases"], "rst"),
        "lines": lines_table("rst"),
        "recorded": f"{where} {when}",
    }


def _summary(record: dict[str, Any]) -> str:
    """A line of progress."""
    if record["failed"]:
        return f"{record['name']}: {record['failed']}"
    return (
        f"{record['name']}: accuracy {_mean(record, 'accuracy')}, fit {_mean(record, 'fit', '.1f')}"
        f" s, prediction {_mean(record, 'predict')} s"
    )


def _mean(record: dict[str, Any], name: str, form: str = ".3f") -> str:
    if record["failed"]:
        return "n/a"
    return format(np.mean([check[name] for check in record["checks"]]), form)


def _ratio(slower: dict[str, Any], faster: dict[str, Any], name: str) -> str:
    """How many times as long one took, median and range of the rounds."""
    if slower["failed"] or faster["failed"]:
        return "n/a"
    checks = zip(slower["checks"], faster["checks"], strict=True)
    found = spread([a[name] / b[name] for a, b in checks])
    # In a narrow column the range stays in one piece.
    return f"{found.median:.1f} ({found.low:.1f}\N{NON-BREAKING HYPHEN}{found.high:.1f})"


def main() -> None:
    """Measure, print and write down."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.keras_port", description=__doc__)
    parser.add_argument("--data", type=Path, help="folder with trec/train.tsv and trec/test.tsv")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--results", type=Path, default=RESULTS, help="where tables are written")
    arguments = parser.parse_args()
    for found in run(arguments.data, arguments.seeds, arguments.epochs):
        write_down(arguments.results, "fits", found, tables(found))
        last = found["cases"][-1]
        print(last["network"], last["set"], *(_summary(r) for r in last["records"]), flush=True)
    print("\n\n".join(tables(found).values()))


if __name__ == "__main__":
    main()
