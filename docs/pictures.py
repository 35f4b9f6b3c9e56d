"""Draw the pictures that are committed: ``python docs/pictures.py`` after ``make docs``.

``_static/front.png`` is the picture of the README; it needs no gallery. The first page has its
halves, which stand one below the other on a telephone.
``_static/gallery/`` has thumbnails of gallery pages for the first page. Those of the gallery itself
exist only after all examples have run, and the first page must build without that.
"""

from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from aeon.datasets import load_classification
from matplotlib.ticker import MaxNLocator
from PIL import Image, ImageChops

from sklstm import LSTMSequenceClassifier
from sklstm.streaming import prefix_probabilities

DOCS = Path(__file__).parent
STATIC = DOCS / "_static"
SHOWN = (
    "first_steps/japanese_vowels",
    "first_steps/sensor_windows",
    "data/remaining_life",
    "results/explanations",
    "decisions/calibration",
    "decisions/dont_know",
)
# The share of the left half of front.png.
LEFT = 5 / 9


def draw_front(path: Path) -> None:
    """Four recordings with what is predicted for them, and one prediction as it comes about."""
    X, y = load_classification("JapaneseVowels", split="train")
    X_test, y_test = load_classification("JapaneseVowels", split="test")
    X, X_test = [x.T for x in X], [x.T for x in X_test]
    classifier = LSTMSequenceClassifier(random_state=0).fit(X, y)
    rows = [int(np.flatnonzero(y_test == speaker)[0]) for speaker in ("1", "4", "6", "9")]
    figure = plt.figure(figsize=(8, 2.9), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=[LEFT, 1 - LEFT])
    axes = left.subplots(len(rows), 1, sharex=True)
    for ax, row in zip(axes, rows, strict=True):
        probabilities = classifier.predict_proba([X_test[row]])[0]
        best = probabilities.argmax()
        ax.plot(X_test[row][:, :4], linewidth=1.2)
        text = f"speaker {classifier.classes_[best]}, p = {probabilities[best]:.2f}"
        ax.text(1.02, 0.5, text, transform=ax.transAxes, va="center", fontsize=9)
        ax.set_yticks([])
        ax.spines[["top", "right", "left"]].set_visible(False)
    left.suptitle("Sequences of unequal length, predicted whole", fontsize=10)
    axes[-1].set_xlabel("timestep (4 of 12 channels)", fontsize=9)

    causal = LSTMSequenceClassifier(
        bidirectional=False, conv_filters=(), n_kernels=0, standardize=True, random_state=0
    )
    prefixes = [x[: max(1, round(share * len(x)))] for share in (0.25, 0.5, 0.75, 1) for x in X]
    causal.set_params(max_epochs=20).fit(prefixes, np.tile(y, 4))
    # The recording that is decided last, of those that end well: it has something to show.
    after_each = prefix_probabilities(causal, X_test)
    sure = [np.argmax(own.max(axis=1) >= 0.9) for own in after_each]
    right_in_the_end = [
        causal.classes_[own[-1].argmax()] == label and own[-1].max() > 0.9
        for own, label in zip(after_each, y_test, strict=True)
    ]
    row = int(np.argmax(np.where(right_in_the_end, sure, -1)))
    ax = right.subplots()
    for index, values in enumerate(after_each[row].T):
        label = causal.classes_[index]
        strong = values.max() > 0.3
        color = None if strong else "0.8"
        ax.plot(np.arange(1, len(values) + 1), values, color=color, linewidth=1.8 if strong else 1)
        if strong:
            peak = int(values.argmax())
            ax.annotate(f"speaker {label}", (peak + 1, values[peak]), fontsize=9,
                        xytext=(0, 4), textcoords="offset points", ha="center")  # fmt: skip
    ax.set_xlabel("timesteps seen", fontsize=9)
    ax.set_ylabel("probability", fontsize=9)
    ax.set_ylim(-0.03, 1.12)
    ax.set_xlim(0.5, len(after_each[row]) + 1.5)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.spines[["top", "right"]].set_visible(False)
    right.suptitle("One sequence, predicted as it comes in", fontsize=10)
    figure.savefig(path, dpi=110)
    shrink(path)


def halve(path: Path) -> None:
    """Its halves beside a picture, as front_left.png and front_right.png."""
    with Image.open(path) as image:
        middle = round(LEFT * image.width)
        for name, start, end in (("left", 0, middle), ("right", middle, image.width)):
            half = image.crop((start, 0, end, image.height))
            half.save(path.with_stem(f"{path.stem}_{name}"), optimize=True)


def shrink(path: Path, n_colours: int = 64) -> None:
    """Write a picture again with a palette."""
    with Image.open(path) as image:
        picture = image.convert("RGB").quantize(n_colours, dither=Image.Dither.NONE)
    picture.save(path, optimize=True)


def cut(path: Path, target: Path) -> None:
    """A thumbnail without its white margins, on white of one size."""
    with Image.open(path) as image:
        picture = image.convert("RGB")
    white = Image.new("RGB", picture.size, "white")
    inner = picture.crop(ImageChops.difference(picture, white).getbbox())
    inner.thumbnail((400, 230))
    white = Image.new("RGB", (400, 230), "white")
    white.paste(inner, ((400 - inner.width) // 2, (230 - inner.height) // 2))
    white.save(target)
    shrink(target)


def main() -> None:
    """Draw them all."""
    mpl.use("agg")
    draw_front(STATIC / "front.png")
    halve(STATIC / "front.png")
    for name in SHOWN:
        folder, page = name.split("/")
        source = DOCS / "gallery" / folder / f"images/thumb/sphx_glr_plot_{page}_thumb.png"
        cut(source, STATIC / "gallery" / f"{page}.png")


if __name__ == "__main__":
    main()
