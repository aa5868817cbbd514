"""
Fit a straight line by blackjax; save the draws by ArviZ.

The code follows the documentation of blackjax: window adaptation, then NUTS, and chains by vmap.

    python blackjax_line.py <data.nc of the study line> <output.nc>
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


def constrain(z):
    """Return the sites at a point of unconstrained space."""
    return {"m": -5 + 10 * jax.nn.sigmoid(z["m"]), "c": -10 + 20 * jax.nn.sigmoid(z["c"])}


def log_density(z):
    """Return the log density of the posterior in unconstrained space."""
    line = constrain(z)
    jacobian = sum(jax.nn.log_sigmoid(value) + jax.nn.log_sigmoid(-value) for value in z.values())
    return norm.logpdf(y, line["m"] * x + line["c"], e).sum() + jacobian


def sample_chain(key, start):
    """Adapt and sample one chain; return its draws and divergences."""
    adapt_key, sample_key = jax.random.split(key)
    adaptation = blackjax.window_adaptation(blackjax.nuts, log_density)
    (state, parameters), _ = adaptation.run(adapt_key, start, 500)
    kernel = blackjax.nuts(log_density, **parameters).step

    def step(state, key):
        state, info = kernel(key, state)
        return state, (constrain(state.position), info.is_divergent)

    return jax.lax.scan(step, state, jax.random.split(sample_key, 5000))[1]


keys = jax.random.split(jax.random.PRNGKey(1), 5)
starts = {
    name: jax.random.uniform(key, (4,), minval=-2, maxval=2)
    for name, key in zip("mc", jax.random.split(keys[0]), strict=True)
}
draws, diverging = jax.jit(jax.vmap(sample_chain))(keys[1:], starts)
tree = arviz.from_dict(
    {
        "posterior": jax.tree.map(np.asarray, draws),
        "sample_stats": {"diverging": np.asarray(diverging)},
    }
)
tree.to_netcdf(sys.argv[2])
