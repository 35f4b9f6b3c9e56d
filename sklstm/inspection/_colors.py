"""Colours of attributions, and the matplotlib that draws them."""

from __future__ import annotations

from typing import Any

import numpy as np

from sklstm._optional import require
from sklstm._sequences import Array

# Diverging: red speaks for the target, blue against it.
COLORMAP = "RdBu_r"


def axes_for(ax: Any, size: tuple[float, float]) -> tuple[Any, Any]:
    """The axes with their figure, or those of a new figure of this size in inches."""
    if ax is not None:
        return ax, ax.figure
    pyplot = require("matplotlib.pyplot", extra="plots")
    figure, ax = pyplot.subplots(figsize=size, layout="constrained")
    return ax, figure


def largest_of(values: Array) -> float:
    """End of a colour scale with 0 in its middle."""
    largest = float(np.abs(values).max(initial=0.0))
    return largest if largest > 0 else 1.0


def colors_of(values: Array, cmap: str) -> Array:
    """Colours (n, 4) of values, of which 0 has the middle one."""
    colormaps = require("matplotlib", extra="plots").colormaps
    colors: Array = colormaps[cmap](0.5 + 0.5 * values / largest_of(values))
    return colors


def ink_on(color: Array) -> str:
    """Black or white, whichever can be read on a colour."""
    luminance = float(color[:3] @ np.array([0.299, 0.587, 0.114]))
    return "black" if luminance > 0.5 else "white"


def scalar_mappable(limit: float, cmap: str) -> Any:
    """What a colour bar from -limit to limit needs."""
    colors = require("matplotlib.colors", extra="plots")
    scale = colors.Normalize(-limit, limit)
    return require("matplotlib.cm", extra="plots").ScalarMappable(norm=scale, cmap=cmap)
