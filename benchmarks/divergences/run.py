"""
Count divergences of a right hierarchical model, and effective draws per second.

The truth of each data set is a draw of the prior: 8 groups of 6 points, in non-centred form. NUTS
runs with its default settings at three values of target_accept, and at the first of them with a
repetition of fits that diverge (`retry`), in turn on each data set. Run in the project's
environment, from its folder:

    python benchmarks/divergences/run.py [data sets]
"""

import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "workflow/lib")]

from posterity.runtime.device import configure_jax  # noqa: E402

configure_jax(1, "float64", 4)

import xarray as xr  # noqa: E402

from posterity.config.schema import complete_settings  # noqa: E402
from posterity.inference.methods import nuts  # noqa: E402
from posterity.model.bind import bind_model  # noqa: E402
from posterity.runtime.rng import Stream  # noqa: E402
from posterity.stats.arviz_bridge import import_array_stats  # noqa: E402

GROUPS, POINTS = 8, 6
CONTENDERS = {
    "0.8": {"target_accept": 0.8, "retry": False},
    "0.9": {"target_accept": 0.9, "retry": False},
    "0.95": {"target_accept": 0.95, "retry": False},
    "0.8, retry": {"target_accept": 0.8, "retry": True},
}
SPEC = {
    "file": str(Path(__file__).with_name("model.py")),
    "function": "model",
    "arguments": {},
    "observed": None,
    "dims": {},
}


def simulate(seed: int) -> xr.Dataset:
    """Return a data set whose truth is a draw of the prior."""
    rng = np.random.default_rng(seed)
    mu, tau, sigma = 5 * rng.normal(), 5 * abs(rng.normal()), 2 * abs(rng.normal())
    group = np.repeat(np.arange(GROUPS), POINTS)
    y = mu + tau * rng.normal(size=GROUPS)[group] + sigma * rng.normal(size=len(group))
    return xr.Dataset({"group": ("point", group), "y": ("point", y)})


def measure(data: xr.Dataset, seed: int, changes: dict) -> tuple[int, float, float]:
    """Return divergences, the smallest bulk ESS of a latent scalar, and seconds of sampling."""
    settings = complete_settings("nuts", **changes)
    bound = bind_model("hierarchy", SPEC, data)
    result = nuts.fit(bound, settings, Stream(seed, ("benchmark", str(changes["target_accept"]))))
    draws = [
        values.reshape(*values.shape[:2], -1)[..., scalar]
        for values in result.posterior.values()
        for scalar in range(values[0, 0].size)
    ]
    ess = min(float(value) for value in import_array_stats().ess(np.stack(draws), method="bulk"))
    return int(result.statistics["diverging"].sum()), ess, result.run_seconds


def main(count: int) -> None:
    """Print divergences and effective draws per second of each contender, over all data sets."""
    found = {name: [] for name in CONTENDERS}
    for changes in CONTENDERS.values():  # compile
        measure(simulate(0), 0, changes)
    for seed in range(1, count + 1):
        data = simulate(seed)
        for name, changes in CONTENDERS.items():
            found[name].append(measure(data, seed, changes))
    rates = {
        name: np.array([ess / seconds for _, ess, seconds in rows]) for name, rows in found.items()
    }
    for name, rows in found.items():
        divergences, ess, seconds = np.array(rows).T
        ratio = np.median(rates[name] / rates["0.8"])
        print(
            f"{name:10s} {(divergences > 0).sum():2d} of {count} data sets with divergences, "
            f"{divergences.sum():3.0f} in all, most {divergences.max():2.0f}; smallest ESS "
            f"{np.median(ess):4.0f}, {seconds.mean():.3f} s, ESS/s {np.median(rates[name]):5.0f}, "
            f"ratio {ratio:.2f}"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 30)
