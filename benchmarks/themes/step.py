"""Time of one training step on sequences of one length, of all of ``fit`` divided by its steps."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

from matplotlib.figure import Figure

from benchmarks.data import Generated
from benchmarks.harness import Case, Entry
from benchmarks.pictures import ratios
from benchmarks.results import Target, ThemeResult, at_least
from benchmarks.work import Settings

TITLE = "One training step, equal lengths"
N_BATCHES = 10
# Of a timed run, for each contestant: about a second at the rates seen on two cores.
GFLOP = 150


@dataclass(frozen=True)
class Size:
    """Sizes of the batches and of the network."""

    batch: int
    timesteps: int
    features: int
    width: int
    layers: int = 1
    bidirectional: bool = False

    def __str__(self) -> str:
        layers = f" {self.layers} layers" if self.layers > 1 else ""
        directions = "both directions" if self.bidirectional else "one direction"
        return (
            f"step B{self.batch} T{self.timesteps} F{self.features} H{self.width}{layers},"
            f" {directions}"
        )

    @property
    def gflop(self) -> float:
        """Multiplications and additions of one step, forward and backward, in 10^9."""
        directions = 2 if self.bidirectional else 1
        inputs = self.features + (self.layers - 1) * self.width * directions
        cells = self.batch * self.timesteps * directions
        return 3 * 2 * cells * 4 * self.width * (inputs + self.layers * self.width) / 1e9


SMALL, LARGE = Size(32, 20, 4, 32), Size(64, 100, 10, 128)
LARGE_BOTH = Size(64, 100, 10, 128, bidirectional=True)
SHORT = [SMALL, LARGE, LARGE_BOTH]
GRID = [
    Size(batch, timesteps, 10, width, bidirectional=bidirectional)
    for batch, timesteps, width, bidirectional in product(
        (32, 128), (20, 50, 100, 400), (32, 64, 128, 256), (False, True)
    )
]
FEATURES = [Size(64, 100, features, 128) for features in (4, 100)]
LAYERS = [Size(64, 100, 10, 128, layers, both) for layers, both in product((2, 3), (False, True))]


def cases(long: bool) -> list[Case]:
    """One case for each size."""
    return [_case(size) for size in (SHORT + GRID + FEATURES + LAYERS if long else SHORT)]


def _case(size: Size) -> Case:
    epochs = max(1, min(30, round(GFLOP / size.gflop / N_BATCHES)))
    settings = Settings(
        width=size.width,
        n_layers=size.layers,
        bidirectional=size.bidirectional,
        batch_size=size.batch,
        epochs=epochs,
    )
    data = Generated(N_BATCHES * size.batch, size.timesteps, n_features=size.features)
    entries = (
        Entry(name, contestant, "train", settings, data, units=N_BATCHES * epochs)
        for name, contestant in (
            ("sklstm", "ours"),
            ("torch loop", "by_hand"),
            ("skorch", "plain_skorch"),
            ("Keras", "with_keras"),
        )
    )
    return Case(str(size), "step", tuple(entries))


def targets(result: ThemeResult) -> list[Target]:
    """The targets."""
    large = [result.case(str(size)) for size in (LARGE, LARGE_BOTH)]
    aims = (("torch loop", 2.2), ("skorch", 2.2), ("Keras", 1.8))
    small = result.case(str(SMALL))
    return [
        *(at_least(case, times, competitor) for case in large for competitor, times in aims),
        at_least(small, 1.3, "torch loop"),
        at_least(small, 1.6, "skorch"),
    ]


def draw(result: ThemeResult) -> Figure:
    """How many times as long as sklstm the others took."""
    return ratios(result.cases)
