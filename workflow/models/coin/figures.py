"""The approximate posteriors of the coin, compared with the exact one."""

import matplotlib.pyplot as plt
import numpy as np
from scipy import stats

from posterity.artefact.groups import get_group
from posterity.plots.style import BLUE, GREEN, ORANGE, PURPLE, make_label

PRIOR = (10, 10)  # of Beta, as in model.py
TOSSES = 10  # predicted tosses
GRID = 400
STYLES = ((ORANGE, "--", "s"), (BLUE, "-", "o"), (GREEN, "-.", "^"), (PURPLE, ":", "v"))


def against_exact(artefacts, settings):
    """
    Left: the draws of each fit and the exact posterior (grey), which follows from the counts of
    heads and tails. Brackets: the best parameters of the guide. Right: the number of heads in the
    next ten tosses as each fit predicts it, and the exact beta-binomial distribution (grey).
    """
    options = settings["options"]
    heads = get_group(artefacts["data"], "data")["heads"].values
    a, b = PRIOR[0] + heads.sum(), PRIOR[1] + (1 - heads).sum()
    x, counts = np.linspace(0, 1, GRID), np.arange(TOSSES + 1)
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4.2), width_ratios=(1.4, 1))
    left.fill_between(x, stats.beta(a, b).pdf(x), color="0.8", lw=0, label=f"exact: Beta({a}, {b})")
    left.plot(
        x,
        stats.beta(*PRIOR).pdf(x),
        color="0.45",
        lw=1.2,
        label="prior: Beta({}, {})".format(*PRIOR),
    )
    right.bar(counts, stats.betabinom(TOSSES, a, b).pmf(counts), width=0.8, color="0.8")
    for (colour, dashes, marker), tree in zip(STYLES, artefacts["posteriors"], strict=False):
        fairness = get_group(tree, "posterior")["latent_fairness"]
        draws, best = fairness.values.ravel(), get_group(tree, "guide")
        text = tree.attrs["fit"]
        if best:
            text += f" (alpha_q {float(best['alpha_q']):.2f}, beta_q {float(best['beta_q']):.2f})"
        density, edges = np.histogram(draws, np.linspace(0, 1, 61), density=True)
        left.stairs(density, edges, baseline=None, color=colour, ls=dashes, lw=1.6, label=text)
        predicted = stats.binom.pmf(counts[:, None], TOSSES, draws).mean(1)
        right.plot(counts, predicted, marker, ls=dashes, color=colour, ms=4.5, lw=1)
    left.set_ylim(bottom=0)
    left.set_xlim(0, 1)
    left.set_xlabel(make_label("latent_fairness", fairness, options))
    left.set_ylabel("density")
    left.set_title(f"{heads.sum()} heads, {(1 - heads).sum()} tails")
    right.set_xlabel(f"heads in the next {TOSSES} tosses")
    right.set_ylabel("probability")
    right.set_xticks(counts)
    right.set_title(f"the next {TOSSES} tosses")
    figure.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure
