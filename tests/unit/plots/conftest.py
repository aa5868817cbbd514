"""What the tests of figures share."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest

from posterity.plots import style


@pytest.fixture(autouse=True)
def figure_style():
    """Draw with the look of the project, without a window, and leave no figure open."""
    backend = mpl.get_backend()
    plt.switch_backend("agg")
    with style.apply_style():
        yield
    plt.close("all")
    plt.switch_backend(backend)
