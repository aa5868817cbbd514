"""
Functions for the figures of this model.

This file is optional. Without it, predictions are drawn point by point.
"""

import numpy as np


def curve(x, a, tau):
    """Return the model's curve at x for given values of its sites: the truth, or posterior draws."""
    return a * np.exp(-x / tau)
