"""Guides of variational inference."""

from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
from numpyro.handlers import replay, seed, trace
from numpyro.infer import SVI, Trace_ELBO, autoguide
from numpyro.infer.util import log_density
from numpyro.optim import optax_to_numpyro

from posterity.errors import UserError, hint
from posterity.inference.initial_values import INIT_STRATEGIES
from posterity.model.handlers import SubsamplePlates
from posterity.model.model import BoundModel
from posterity.python_files import import_closure, load_module

GUIDE_NAMES = (
    "AutoNormal",
    "AutoDiagonalNormal",
    "AutoMultivariateNormal",
    "AutoLowRankMultivariateNormal",
    "AutoBNAFNormal",
    "AutoIAFNormal",
    "AutoDelta",
)
FLOW_NAMES = ("AutoBNAFNormal", "AutoIAFNormal")
OPTIMISERS = {
    "adam": optax.scale_by_adam,
    "adabelief": optax.scale_by_belief,
    "rmsprop": optax.scale_by_rms,
    "sgd": optax.identity,
}


class GuideProblem:
    """Model and guide under an objective; made anew in each trace, as a guide remembers what it saw of the model."""

    def __init__(self, model: BoundModel, settings: dict):
        self.model, self.settings = model, settings
        self.own, self.source = None, ""
        if not settings["guide"].startswith("Auto"):
            file = Path(model.file.rpartition(":")[0]).with_name("guide.py")
            if not file.is_file():
                raise UserError(
                    f"{file}: there is no such file, but the guide '{settings['guide']}' should be in it; write it"
                )
            module = load_module(file)
            if not callable(getattr(module, settings["guide"], None)):
                known = [
                    name
                    for name, value in vars(module).items()
                    if callable(value) and not name.startswith("_")
                ]
                raise UserError(
                    f"{file}: there is no function '{settings['guide']}': {hint(settings['guide'], known)}"
                )
            files = import_closure(file.resolve(), file.resolve().parent)
            self.own = getattr(module, settings["guide"])
            self.source = "\n".join(path.read_text(encoding="utf-8") for path in files)
        elif settings["guide"] not in GUIDE_NAMES:
            raise UserError(
                f"{model.name}: svi: guide: there is no '{settings['guide']}': {hint(settings['guide'], GUIDE_NAMES)}"
            )
        elif (
            settings["guide"] in FLOW_NAMES
            and sum(int(np.prod(model.sites[name].shape)) for name in model.site_names("latent"))
            < 2
        ):
            raise UserError(
                f"{model.name}: the flow {settings['guide']} needs two latent numbers, not 1; take AutoNormal"
            )
        self.batched = (
            SubsamplePlates(model, settings["minibatch"])
            if settings["minibatch"]
            else model.full_data
        )
        self._check()

    def _check(self) -> None:
        """Raise UserError unless model and guide fit together, and the model can be computed on minibatches."""
        plates = {}

        remedy = (
            "the model cannot be computed on minibatches ({}); inside the plate, take the part of the data that is asked for: "
            "`with numpyro.plate('row', n) as i: ... obs=y[i]`"
        )

        def run(traced):
            try:
                messages = trace(seed(self.batched, jax.random.PRNGKey(0))).get_trace(**traced)
            except (ValueError, TypeError) as error:
                if not self.settings["minibatch"]:
                    raise
                raise UserError(
                    f"{self.model.file}: {remedy.format(' '.join(str(error).split()))}"
                ) from None
            unfit = [
                name
                for name, site in messages.items()
                if site["type"] == "sample" and _has_shape_mismatch(site)
            ]
            if self.settings["minibatch"] and unfit:
                raise UserError(
                    f"{self.model.file}: {remedy.format(f"the site '{unfit[0]}' has all observations")}"
                )
            plates.update(
                {
                    name: site["args"][0]
                    for name, site in messages.items()
                    if site["type"] == "plate"
                }
            )
            if self.own:
                guide = trace(
                    seed(self.guide(self.batched, None), jax.random.PRNGKey(0))
                ).get_trace(**traced)
                self._compare(guide, messages)
            return 0

        jax.eval_shape(run, self.model.traced_arguments)
        for plate, size in self.settings["minibatch"].items():
            if plate not in plates:
                raise UserError(
                    f"{self.model.file}: minibatch: the model has no plate '{plate}': {hint(plate, plates)}"
                )
            if size > plates[plate]:
                have = plates[plate]
                raise UserError(
                    f"{self.model.file}: minibatch: {plate}: {size} is more than its {have} elements; take fewer"
                )

    def _compare(self, guide: dict, messages: dict) -> None:
        """Raise UserError unless a guide of one's own has the latent sites of the model."""
        latent, name_of = (
            self.model.site_names("latent"),
            f"{self.model.name}: the guide '{self.settings['guide']}'",
        )
        sampled = {name: site for name, site in guide.items() if site["type"] == "sample"}
        found = {
            name: jnp.shape(site["value"])
            for name, site in sampled.items()
            if not site["infer"].get("is_auxiliary")
        }
        for name in latent:
            shape = jnp.shape(messages[name]["value"])
            if found.get(name) != shape:
                has = f"has shape {found[name]} there" if name in found else "is not in it"
                raise UserError(
                    f"{name_of} does not match the model: the latent site '{name}' of shape {shape} {has}; give the guide a site "
                    "of this name and shape"
                )
        for name in set(found) - set(latent):
            raise UserError(
                f"{name_of} has a site '{name}' that the model does not have: {hint(name, latent)}"
            )

    def svi(self, function: Callable, rate) -> SVI:
        """Make guide and objective, with an optimiser of this step size."""
        start = INIT_STRATEGIES[self.settings["init"]]()
        guide = self.guide(function, start)
        optimiser = optax.chain(
            OPTIMISERS[self.settings["optimiser"]](), optax.scale_by_learning_rate(rate)
        )
        return SVI(
            function,
            guide,
            optax_to_numpyro(optimiser),
            Trace_ELBO(num_particles=self.settings["particles"]),
        )

    def guide(self, function: Callable, start: Callable) -> Callable:
        """Make the guide."""
        if self.own:
            constants = {name: self.model.arguments[name] for name in self.model.constants}
            return lambda **traced: self.own(**constants, **traced)
        options = {"hidden_factors": [8, 8]} if self.settings["guide"] == "AutoBNAFNormal" else {}
        return getattr(autoguide, self.settings["guide"])(function, init_loc_fn=start, **options)

    def begin(self, key, traced):
        """The state of a start, and its loss."""
        svi = self.svi(self.batched, 0.0)
        state = svi.init(key, **traced)
        return state, svi.evaluate(state, **traced)

    def update(self, traced) -> Callable:
        """Give a function of state and step size that takes one step; it returns the state and the loss."""
        svi = self.svi(self.batched, 0.0)
        svi.init(jnp.zeros(2, jnp.uint32), **traced)  # lets the guide see the model in this trace

        def update(state, rate):
            svi.optim = self.svi(self.batched, rate).optim
            return svi.update(state, **traced)

        return update

    def draws(self, state, key, traced, count):
        """
        Draw from the guide, all data in place: values by site, and log densities under model and guide.

        Beside them, the parameters of a guide of the user's own that are arrays (those of automatic ones say little by themselves).
        """
        svi = self.svi(self.model.full_data, 0.0)
        svi.init(jnp.zeros(2, jnp.uint32), **traced)
        params = svi.get_params(state)
        recorded = [*self.model.site_names("latent"), *self.model.site_names("deterministic")]

        def draw(key):
            log_q, of_guide = log_density(seed(svi.guide, key), (), traced, params)
            log_p, of_model = log_density(
                replay(seed(self.model.full_data, key), of_guide), (), traced, {}
            )
            return {name: of_model[name]["value"] for name in recorded}, {
                "log_p": log_p,
                "log_q": log_q,
            }

        best = {
            name: value
            for name, value in params.items()
            if self.own and isinstance(value, jax.Array)
        }
        return jax.lax.map(draw, jax.random.split(key, count)), best


def _has_shape_mismatch(site: dict) -> bool:
    """Tell whether the observations of a site have another shape than its distribution."""
    return (
        site["is_observed"]
        and jnp.shape(site["value"]) != site["fn"].shape()
        and jnp.size(site["value"]) > 1
    )
