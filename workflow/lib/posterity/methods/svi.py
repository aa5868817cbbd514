"""Variational inference (Hoffman et al. 2013, JMLR 14, 1303; Kucukelbir et al. 2017, JMLR 18, 14), by NumPyro's guides."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import xarray as xr
from numpyro.handlers import replay, seed
from numpyro.infer import SVI, Trace_ELBO, autoguide
from numpyro.infer.util import log_density

from posterity.errors import UserError
from posterity.methods import STARTS, Result, no_start, timed
from posterity.model import Model
from posterity.randomness import key

FLOWS = ("AutoBNAFNormal", "AutoIAFNormal")
WHOLE = 0.7  # of the steps have the whole step size, before it decays


def fit(model: Model, settings: dict, seed_: int, names: tuple[str, ...]) -> Result:
    """
    Fit an automatic guide by maximising the evidence lower bound, and draw from it.

    `settings` are those of `svi` in the schema. The statistics `log_p` and `log_q` are the log densities of the draws under model
    and guide, from which the Pareto k-hat of the approximation follows (Yao et al. 2018, PMLR 80, 5581). `optimisation` has, by
    `step`, the loss (minus the bound, in nats) and the step size. Raises UserError if the loss is not finite at the start.
    """
    size = sum(int(np.prod(model.sites[name].shape)) for name in model.names("latent"))
    if size < 2 and settings["guide"] in FLOWS:
        raise UserError(f"{model.name}: the flow {settings['guide']} needs two latent numbers, not {size}; take AutoNormal")
    steps, schedule = settings["steps"], optax.constant_schedule(settings["step_size"])
    if settings["schedule"] == "decay":
        whole = int(WHOLE * steps)
        schedule = optax.join_schedules([schedule, optax.cosine_decay_schedule(settings["step_size"], steps - whole)], [whole])
    recorded = [*model.names("latent"), *model.names("deterministic")]

    def problem():
        guide = getattr(autoguide, settings["guide"])(model.closed, init_loc_fn=STARTS[settings["init"]]())
        return guide, SVI(model.closed, guide, optax.adam(schedule), Trace_ELBO(num_particles=settings["particles"]))

    def program(key, traced):
        start, draws = jax.random.split(key)

        def first_loss(key):
            _, svi = problem()  # a guide remembers what it saw of the model, which must not leave this trace
            return svi.evaluate(svi.init(key, **traced), **traced)

        starts = jax.random.split(start, settings["starts"])
        losses = jax.lax.map(first_loss, starts)
        guide, svi = problem()
        state = svi.init(starts[jnp.argmin(jnp.where(jnp.isfinite(losses), losses, jnp.inf))], **traced)
        state, losses = jax.lax.scan(lambda state, _: svi.update(state, **traced), state, length=steps)
        params = svi.get_params(state)

        def draw(key):
            log_q, of_guide = log_density(seed(guide, key), (), traced, params)
            log_p, of_model = log_density(replay(seed(model.closed, key), of_guide), (), traced, {})
            return {name: of_model[name]["value"] for name in recorded}, {"log_p": log_p, "log_q": log_q}

        return losses, *jax.lax.map(draw, jax.random.split(draws, settings["draws"]))

    (losses, sites, statistics), compiled, ran = timed(program, key(seed_, *names, "svi"), model.traced)
    if not np.isfinite(losses[0]):
        raise no_start(model)
    if not np.isfinite(losses).all():
        step = int(np.argmin(np.isfinite(losses))) + 1
        raise UserError(
            f"{model.name}: svi: the loss is not finite from step {step} on; take a smaller step_size, or another guide"
        )
    return Result(
        sampling="independent",
        gradient_evaluations=steps * settings["particles"],
        compile_seconds=compiled,
        run_seconds=ran,
        posterior=jax.tree.map(lambda values: values[None], sites),
        statistics=jax.tree.map(lambda values: values[None], statistics),
        optimisation=xr.Dataset(
            {
                "loss": ("step", losses, {"long_name": "loss", "units": "nats"}),
                "step_size": ("step", np.asarray(jax.vmap(schedule)(np.arange(steps)))),
            },
            {"step": np.arange(1, steps + 1)},
        ),
    )
