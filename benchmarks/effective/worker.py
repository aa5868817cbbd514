"""
Fit one model by one contender: python worker.py <contender> <model> <seed> <data.nc> <output.nc>

Says "saved" once the NetCDF file is written, then samples again, compiled, and says the seconds. 4 chains x (500 + 1,000).
"""

import importlib.util
import os
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
WARMUP, DRAWS, CHAINS = 500, 1000, 4


def posterity(name: str, seed: int, data: str, output: str):
    """By the project's own fit stage, cold or with its programs compiled before (as POSTERITY_CACHE has it)."""
    sys.path[:0] = [str(ROOT / "workflow/lib"), str(ROOT / "workflow/scripts")]
    from fit import fit
    from posterity.config.schema import complete_settings

    spec = {
        "file": str(HERE / f"models/{name}.py"),
        "function": "model",
        "arguments": {},
        "observed": None,
        "dims": {},
    }
    chosen = complete_settings("nuts", warmup=WARMUP, draws=DRAWS, chains=CHAINS)
    fit(
        data,
        output,
        "study",
        name,
        spec,
        "nuts",
        chosen,
        seed,
        "float64",
        [spec["file"]],
        threads=2,
    )

    def again():
        from posterity.artefact.groups import get_group
        from posterity.artefact.netcdf import read_artefact
        from posterity.inference.methods import nuts
        from posterity.model.bind import bind_model
        from posterity.runtime.rng import Stream

        bound = bind_model(name, spec, get_group(read_artefact(data), "data"))
        return nuts.fit(bound, chosen, Stream(seed, ("again",))).run_seconds

    return again


def numpyro(name: str, seed: int, data: str, output: str):
    """By NumPyro's MCMC, chains in parallel, saved by ArviZ."""
    os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={CHAINS}"
    import arviz
    import jax
    import numpyro
    from numpyro.infer import MCMC, NUTS

    numpyro.enable_x64()
    given = arguments(data)
    mcmc = MCMC(
        NUTS(load(name).model),
        num_warmup=WARMUP,
        num_samples=DRAWS,
        num_chains=CHAINS,
        progress_bar=False,
    )

    def sample():
        mcmc.run(jax.random.PRNGKey(seed), **given)
        return jax.block_until_ready(mcmc.get_samples(group_by_chain=True))

    sample()
    arviz.from_numpyro(mcmc).to_netcdf(output)
    return lambda: timed(sample)


def blackjax(name: str, seed: int, data: str, output: str):
    """By blackjax on NumPyro's density, as its documentation shows, chains by pmap, saved by ArviZ."""
    os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={CHAINS}"
    import arviz
    import blackjax
    import jax
    import numpy as np
    from numpyro.infer.util import initialize_model

    jax.config.update("jax_enable_x64", True)
    keys = jax.random.split(jax.random.PRNGKey(seed), CHAINS + 1)
    start, potential, constrain, _ = initialize_model(
        keys, load(name).model, model_kwargs=arguments(data)
    )

    def density(z):
        return -potential(z)

    def chain(key, position):
        adapting, sampling = jax.random.split(key)
        (state, parameters), _ = blackjax.window_adaptation(blackjax.nuts, density).run(
            adapting, position, WARMUP
        )
        kernel = blackjax.nuts(density, **parameters).step

        def step(state, key):
            state, info = kernel(key, state)
            return state, (state.position, info.is_divergent)

        positions, diverging = jax.lax.scan(step, state, jax.random.split(sampling, DRAWS))[1]
        return jax.vmap(constrain)(positions), diverging

    chains = jax.pmap(chain)
    starts = jax.tree.map(lambda value: value[1:], start.z)

    def sample():
        return jax.block_until_ready(chains(keys[1:], starts))

    draws, diverging = sample()
    groups = {
        "posterior": jax.tree.map(np.asarray, draws),
        "sample_stats": {"diverging": np.asarray(diverging)},
    }
    arviz.from_dict(groups).to_netcdf(output)
    return lambda: timed(sample)


def nutpie(name: str, seed: int, data: str, output: str):
    """By PyMC and nutpie."""
    import nutpie
    import pymc as pm

    with pm.Model() as model:
        load(name).in_pymc(pm, **arguments(data))
    compiled = nutpie.compile_pymc_model(model)

    def sample():
        return nutpie.sample(
            compiled, draws=DRAWS, tune=WARMUP, chains=CHAINS, seed=seed, progress_bar=False
        )

    sample().to_netcdf(output)
    return lambda: timed(sample)


def load(name: str):
    """Import a model's file."""
    spec = importlib.util.spec_from_file_location(name, HERE / f"models/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def arguments(data: str) -> dict:
    """Read the data."""
    import xarray as xr

    with xr.open_dataset(data, group="data", engine="netcdf4") as table:
        return {name: values.values for name, values in table.data_vars.items()}


def timed(sample) -> float:
    """Time one call."""
    started = time.perf_counter()
    sample()
    return time.perf_counter() - started


if __name__ == "__main__":
    contender, model, number, table, output = sys.argv[1:]
    again = globals()[contender](model, int(number), table, output)
    print("saved", flush=True)
    print(again(), flush=True)
