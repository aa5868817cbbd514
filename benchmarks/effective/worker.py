"""
Fit one model by one contender.

    python worker.py <contender> <model> <seed> <data.nc> <output.nc>

Prints "saved" once the NetCDF file is written. Then samples again, without compilation, and prints
the seconds. All contenders sample 4 chains x (500 + 1,000).
"""

import importlib.util
import os
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
WARMUP = 500
DRAWS = 1000
CHAINS = 4


def posterity(name: str, seed: int, data: str, output: str):
    """Fit by the stage fit. POSTERITY_CACHE names the cache of compiled programs."""
    sys.path[:0] = [str(ROOT / "workflow/lib"), str(ROOT / "workflow/scripts")]
    from fit import fit
    from posterity.config.schema import complete_settings
    from posterity.config.stage import ComputeSettings, ModelSource, StageIds

    spec = {
        "file": str(HERE / f"models/{name}.py"),
        "function": "model",
        "arguments": {},
        "observed": None,
        "dims": {},
    }
    settings = complete_settings("nuts", warmup=WARMUP, draws=DRAWS, chains=CHAINS)
    fit(
        data,
        output,
        StageIds("study", name, "nuts"),
        ModelSource(spec, [spec["file"]]),
        settings,
        ComputeSettings(seed, "float64", threads=2),
    )

    def sample_again():
        from posterity.artefact.groups import get_group
        from posterity.artefact.netcdf import read_artefact
        from posterity.inference.methods import nuts
        from posterity.model.bind import bind_model
        from posterity.runtime.rng import Stream

        bound = bind_model(name, spec, get_group(read_artefact(data), "data"))
        return nuts.fit(bound, settings, Stream(seed, ("again",))).run_seconds

    return sample_again


def numpyro(name: str, seed: int, data: str, output: str):
    """Fit by NumPyro's MCMC with parallel chains; save by ArviZ."""
    os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={CHAINS}"
    import arviz
    import jax
    import numpyro
    from numpyro.infer import MCMC, NUTS

    numpyro.enable_x64()
    values = read_arguments(data)
    mcmc = MCMC(
        NUTS(load(name).model),
        num_warmup=WARMUP,
        num_samples=DRAWS,
        num_chains=CHAINS,
        progress_bar=False,
    )

    def sample():
        mcmc.run(jax.random.PRNGKey(seed), **values)
        return jax.block_until_ready(mcmc.get_samples(group_by_chain=True))

    sample()
    arviz.from_numpyro(mcmc).to_netcdf(output)
    return lambda: time_call(sample)


def blackjax(name: str, seed: int, data: str, output: str):
    """Fit by blackjax on NumPyro's density, as its documentation shows; save by ArviZ."""
    os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={CHAINS}"
    import arviz
    import blackjax
    import jax
    import numpy as np
    from numpyro.infer.util import initialize_model

    jax.config.update("jax_enable_x64", True)
    keys = jax.random.split(jax.random.PRNGKey(seed), CHAINS + 1)
    start, potential, constrain, _ = initialize_model(
        keys, load(name).model, model_kwargs=read_arguments(data)
    )

    def log_density(z):
        return -potential(z)

    def sample_chain(key, position):
        adapt_key, sample_key = jax.random.split(key)
        adaptation = blackjax.window_adaptation(blackjax.nuts, log_density)
        (state, parameters), _ = adaptation.run(adapt_key, position, WARMUP)
        kernel = blackjax.nuts(log_density, **parameters).step

        def step(state, key):
            state, info = kernel(key, state)
            return state, (state.position, info.is_divergent)

        positions, diverging = jax.lax.scan(step, state, jax.random.split(sample_key, DRAWS))[1]
        return jax.vmap(constrain)(positions), diverging

    chains = jax.pmap(sample_chain)
    starts = jax.tree.map(lambda value: value[1:], start.z)

    def sample():
        return jax.block_until_ready(chains(keys[1:], starts))

    draws, diverging = sample()
    groups = {
        "posterior": jax.tree.map(np.asarray, draws),
        "sample_stats": {"diverging": np.asarray(diverging)},
    }
    arviz.from_dict(groups).to_netcdf(output)
    return lambda: time_call(sample)


def nutpie(name: str, seed: int, data: str, output: str):
    """Fit by PyMC and nutpie."""
    import nutpie
    import pymc as pm

    with pm.Model() as model:
        load(name).in_pymc(pm, **read_arguments(data))
    compiled = nutpie.compile_pymc_model(model)

    def sample():
        return nutpie.sample(
            compiled, draws=DRAWS, tune=WARMUP, chains=CHAINS, seed=seed, progress_bar=False
        )

    sample().to_netcdf(output)
    return lambda: time_call(sample)


def load(name: str):
    """Import the file of a model."""
    spec = importlib.util.spec_from_file_location(name, HERE / f"models/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read_arguments(data: str) -> dict:
    """Return the variables of the data."""
    import xarray as xr

    with xr.open_dataset(data, group="data", engine="netcdf4") as table:
        return {name: values.values for name, values in table.data_vars.items()}


def time_call(sample) -> float:
    """Return the seconds of one call."""
    started = time.perf_counter()
    sample()
    return time.perf_counter() - started


if __name__ == "__main__":
    contender, model, seed, data, output = sys.argv[1:]
    sample_again = globals()[contender](model, int(seed), data, output)
    print("saved", flush=True)
    print(sample_again(), flush=True)
