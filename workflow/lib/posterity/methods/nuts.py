"""The No-U-Turn sampler (Hoffman & Gelman 2014, JMLR 15, 1593), by NumPyro's kernel."""

import numpy as np
from numpyro.infer import NUTS

from posterity.methods import STARTS, Result, no_start
from posterity.model import Model
from posterity.randomness import key
from posterity.sampling import run

FIELDS = {
    "diverging": lambda state: state.diverging,
    "energy": lambda state: state.energy,
    "num_steps": lambda state: state.num_steps,
    "acceptance_rate": lambda state: state.accept_prob,
    "potential_energy": lambda state: state.potential_energy,
    "step_size": lambda state: state.adapt_state.step_size,
}


def fit(model: Model, settings: dict, seed: int, names: tuple[str, ...]) -> Result:
    """
    Sample the posterior by NUTS.

    `settings` are those of `nuts` in the schema. Raises UserError if the density is not finite at any start.
    """
    kernel = NUTS(
        model.closed,
        target_accept_prob=settings["target_accept"],
        max_tree_depth=settings["max_tree_depth"],
        dense_mass=settings["dense_mass"],
        init_strategy=STARTS[settings["init"]],
    )
    keys = np.stack([key(seed, *names, "chain", chain) for chain in range(settings["chains"])])
    chains = run(kernel, FIELDS, keys, model.traced, settings["warmup"], settings["draws"])
    potential = chains.fields.pop("potential_energy")
    if not np.isfinite(potential).all():
        raise no_start(model)
    steps = chains.fields.pop("num_steps")
    statistics = chains.fields | {"lp": -potential, "n_steps": steps, "tree_depth": np.log2(steps).astype(int) + 1}
    return Result(
        sampling="chains",
        gradient_evaluations=chains.leapfrogs,
        compile_seconds=chains.compile_seconds,
        run_seconds=chains.run_seconds,
        posterior=chains.sites,
        statistics=statistics,
    )
