"""
The straight line by blackjax, as its documentation shows it: window adaptation, then NUTS, chains by vmap; saved by ArviZ.

Usage: python blackjax_line.py <data.nc of the study line> <output.nc>
"""

import sys

import arviz
import blackjax
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax.scipy.stats import norm

jax.config.update("jax_enable_x64", True)
data = xr.open_dataset(sys.argv[1], group="data", engine="netcdf4")
x, y, e = (jnp.asarray(data[name].values) for name in ("x", "y", "e"))


def sites(z):
    return {"m": -5 + 10 * jax.nn.sigmoid(z["m"]), "c": -10 + 20 * jax.nn.sigmoid(z["c"])}


def density(z):
    at = sites(z)
    jacobian = sum(jax.nn.log_sigmoid(one) + jax.nn.log_sigmoid(-one) for one in z.values())
    return norm.logpdf(y, at["m"] * x + at["c"], e).sum() + jacobian


def chain(key, start):
    adapting, sampling = jax.random.split(key)
    (state, parameters), _ = blackjax.window_adaptation(blackjax.nuts, density).run(
        adapting, start, 500
    )
    kernel = blackjax.nuts(density, **parameters).step

    def step(state, key):
        state, info = kernel(key, state)
        return state, (sites(state.position), info.is_divergent)

    return jax.lax.scan(step, state, jax.random.split(sampling, 5000))[1]


keys = jax.random.split(jax.random.PRNGKey(1), 5)
starts = {
    name: jax.random.uniform(one, (4,), minval=-2, maxval=2)
    for name, one in zip("mc", jax.random.split(keys[0]), strict=True)
}
draws, diverging = jax.jit(jax.vmap(chain))(keys[1:], starts)
tree = arviz.from_dict(
    {
        "posterior": jax.tree.map(np.asarray, draws),
        "sample_stats": {"diverging": np.asarray(diverging)},
    }
)
tree.to_netcdf(sys.argv[2])
