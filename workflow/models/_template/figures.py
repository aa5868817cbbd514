"""What the figures of this model need beyond the draws. Optional: without it, predictions are drawn point by point."""

import numpy as np


def curve(x, a, tau):
    """The model's curve at x for values of its sites: drawn through the data, for the truth and for posterior draws."""
    return a * np.exp(-x / tau)
