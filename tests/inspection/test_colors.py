import sys

import matplotlib as mpl
import numpy as np
import pytest

from sklstm.inspection._colors import axes_for, colors_of, ink_on, largest_of, scalar_mappable

pytestmark = pytest.mark.usefixtures("figures")


def test_zero_has_the_middle_colour_whatever_the_others_are():
    colors = colors_of(np.array([0.0, 3.0, -1.0]), "RdBu_r")
    np.testing.assert_allclose(colors[0], mpl.colormaps["RdBu_r"](0.5))
    np.testing.assert_allclose(colors[1], mpl.colormaps["RdBu_r"](1.0))


def test_of_zeros_alone_the_scale_is_one():
    assert largest_of(np.zeros(3)) == 1.0
    assert largest_of(np.array([-2.0, 1.0])) == 2.0


def test_ink_can_be_read():
    assert ink_on(np.array([1.0, 1.0, 0.9, 1.0])) == "black"
    assert ink_on(np.array([0.4, 0.0, 0.1, 1.0])) == "white"


def test_a_scale_is_centred():
    scale = scalar_mappable(2.0, "RdBu_r")
    assert scale.get_clim() == (-2.0, 2.0)


def test_given_axes_are_used():
    ax, figure = axes_for(None, (2.0, 2.0))
    assert axes_for(ax, (3.0, 3.0)) == (ax, figure)


def test_without_matplotlib_it_is_said_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match="matplotlib"):
        axes_for(None, (2.0, 2.0))
