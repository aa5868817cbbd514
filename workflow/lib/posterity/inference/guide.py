"""Guides of variational inference."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import optax
from numpyro.handlers import replay, seed, trace
from numpyro.infer import SVI, Trace_ELBO, autoguide
from numpyro.infer.util import log_density
from numpyro.optim import optax_to_numpyro

from posterity.errors import UserError, hint
from posterity.inference.initial_values import INIT_STRATEGIES
from posterity.inference.program import count_numbers, select_program_settings
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
BNAF_HIDDEN_FACTORS = [8, 8]
OPTIMISERS = {
    "adam": optax.scale_by_adam,
    "adabelief": optax.scale_by_belief,
    "rmsprop": optax.scale_by_rms,
    "sgd": optax.identity,
}


class GuideProblem:
    """
    A model, a guide and the objective.

    Each trace makes its own guide, as a guide stores what it saw of the model.

    Parameters
    ----------
    model : BoundModel
        The model.
    settings : dict
        The settings of `svi` in the schema.

    Attributes
    ----------
    custom_guide : Callable or None
        The guide of the user, a function of the model's arguments; None for an automatic guide.
    batched_model : Callable
        The model on minibatches, or on all data if there are none.

    Raises
    ------
    UserError
        If there is no such guide, if model and guide do not match, or if the model cannot be
        evaluated on minibatches.
    """

    def __init__(self, model: BoundModel, settings: dict):
        self.model = model
        self.settings = settings
        self.custom_guide: Callable | None = None
        self.source = ""
        if settings["guide"].startswith("Auto"):
            _check_automatic_guide(model, settings["guide"])
        else:
            self.custom_guide, self.source = load_guide(model, settings["guide"])
        self.batched_model = model.full_data
        if settings["minibatch"]:
            self.batched_model = SubsamplePlates(model, settings["minibatch"])
        self._check()

    @property
    def cache_key(self) -> list:
        """The model, the source of a custom guide, and the settings of the compiled programs."""
        settings = select_program_settings(self.settings, ignored=("resample",))
        return ["svi", self.model.fingerprint, self.source, settings]

    def make_guide(self, function: Callable, init_strategy: Callable | None) -> Callable:
        """Return the guide of a model function."""
        if self.custom_guide:
            guide = self.custom_guide
            constants = {name: self.model.arguments[name] for name in self.model.constants}
            return lambda **traced: guide(**constants, **traced)
        name = self.settings["guide"]
        options = {"hidden_factors": BNAF_HIDDEN_FACTORS} if name == "AutoBNAFNormal" else {}
        return getattr(autoguide, name)(function, init_loc_fn=init_strategy, **options)

    def make_svi(self, function: Callable, step_size: Any) -> SVI:
        """Return guide and objective, with an optimiser of this step size."""
        guide = self.make_guide(function, INIT_STRATEGIES[self.settings["init"]]())
        optimiser = optax.chain(
            OPTIMISERS[self.settings["optimiser"]](), optax.scale_by_learning_rate(step_size)
        )
        objective = Trace_ELBO(num_particles=self.settings["particles"])
        return SVI(function, guide, optax_to_numpyro(optimiser), objective)

    def begin(self, key: jax.Array, traced: dict) -> tuple[Any, jax.Array]:
        """Return a first state, and its loss."""
        svi = self.make_svi(self.batched_model, 0.0)
        state = svi.init(key, **traced)
        return state, svi.evaluate(state, **traced)

    def update(self, traced: dict) -> Callable:
        """Return a function of state and step size that returns the next state and the loss."""
        svi = self.make_svi(self.batched_model, 0.0)
        svi.init(jnp.zeros(2, jnp.uint32), **traced)  # the guide sees the model in this trace

        def update(state, step_size):
            svi.optim = self.make_svi(self.batched_model, step_size).optim
            return svi.update(state, **traced)

        return update

    def draws(self, state: Any, key: jax.Array, traced: dict, count: int) -> tuple:
        """
        Draw from the guide, with all data.

        Parameters
        ----------
        state : SVIState
            The fitted state.
        key : jax.Array
            Random key.
        traced : dict
            The traced arguments of the model.
        count : int
            Number of draws.

        Returns
        -------
        draws : tuple of dict
            Values by site, and the log densities `log_p` and `log_q` under model and guide, with a
            leading axis of draws.
        parameters : dict of str to jax.Array
            The parameters of a custom guide. Those of an automatic one have no meaning to a reader
            and are left out.
        """
        svi = self.make_svi(self.model.full_data, 0.0)
        svi.init(jnp.zeros(2, jnp.uint32), **traced)
        params = svi.get_params(state)
        recorded = [*self.model.site_names("latent"), *self.model.site_names("deterministic")]

        def draw(key):
            log_q, guide_trace = log_density(seed(svi.guide, key), (), traced, params)
            model = replay(seed(self.model.full_data, key), guide_trace)
            log_p, model_trace = log_density(model, (), traced, {})
            sites = {name: model_trace[name]["value"] for name in recorded}
            return sites, {"log_p": log_p, "log_q": log_q}

        parameters = {
            name: value
            for name, value in params.items()
            if self.custom_guide and isinstance(value, jax.Array)
        }
        return jax.lax.map(draw, jax.random.split(key, count)), parameters

    def _check(self) -> None:
        """Raise UserError if the guide or the minibatches do not match the model."""
        plates: dict[str, int] = {}

        def collect(traced):
            messages = self._trace_batch(traced)
            plates.update(
                {
                    name: site["args"][0]
                    for name, site in messages.items()
                    if site["type"] == "plate"
                }
            )
            if self.custom_guide:
                guide = seed(self.make_guide(self.batched_model, None), jax.random.PRNGKey(0))
                self._compare(trace(guide).get_trace(**traced), messages)
            return 0

        jax.eval_shape(collect, self.model.traced_arguments)
        place = f"{self.model.file}: minibatch"
        for plate, size in self.settings["minibatch"].items():
            if plate not in plates:
                raise UserError(f"{place}: the model has no plate '{plate}': {hint(plate, plates)}")
            if size > plates[plate]:
                raise UserError(
                    f"{place}: {plate}: {size} is more than its {plates[plate]} elements. "
                    "Choose a smaller number."
                )

    def _trace_batch(self, traced: dict) -> dict:
        """Return the sites of the model on a minibatch."""
        remedy = (
            "Inside the plate, take the part of the data that the plate selects: "
            "`with numpyro.plate('row', n) as i: ... obs=y[i]`."
        )
        problem = f"{self.model.file}: the model cannot be computed on minibatches"
        try:
            messages = trace(seed(self.batched_model, jax.random.PRNGKey(0))).get_trace(**traced)
        except (ValueError, TypeError) as error:
            if not self.settings["minibatch"]:
                raise
            raise UserError(f"{problem} ({' '.join(str(error).split())}). {remedy}") from None
        mismatches = [
            name
            for name, site in messages.items()
            if site["type"] == "sample" and _has_shape_mismatch(site)
        ]
        if self.settings["minibatch"] and mismatches:
            raise UserError(
                f"{problem} (the site '{mismatches[0]}' has all observations). {remedy}"
            )
        return messages

    def _compare(self, guide: dict, messages: dict) -> None:
        """Raise UserError if a custom guide has not the latent sites of the model."""
        latent = self.model.site_names("latent")
        place = f"{self.model.name}: the guide '{self.settings['guide']}'"
        shapes = {
            name: jnp.shape(site["value"])
            for name, site in guide.items()
            if site["type"] == "sample" and not site["infer"].get("is_auxiliary")
        }
        for name in latent:
            shape = jnp.shape(messages[name]["value"])
            if shapes.get(name) == shape:
                continue
            state = f"has shape {shapes[name]} there" if name in shapes else "is not in it"
            raise UserError(
                f"{place} does not match the model: "
                f"the latent site '{name}' of shape {shape} {state}. "
                "Give the guide a site of this name and shape."
            )
        for name in set(shapes) - set(latent):
            raise UserError(
                f"{place} has a site '{name}' that the model does not have: {hint(name, latent)}"
            )


def load_guide(model: BoundModel, name: str) -> tuple[Callable, str]:
    """
    Load a guide from guide.py in the folder of the model.

    Returns the function, and the source of all local files that it depends on. Raises UserError if
    there is no such function.
    """
    file = Path(model.file.rpartition(":")[0]).with_name("guide.py")
    if not file.is_file():
        raise UserError(
            f"{file}: there is no such file, but the guide '{name}' should be in it. "
            "Write it, or choose an automatic guide."
        )
    module = load_module(file)
    guide = getattr(module, name, None)
    if not callable(guide):
        functions = [
            other
            for other, value in vars(module).items()
            if callable(value) and not other.startswith("_")
        ]
        raise UserError(f"{file}: there is no function '{name}': {hint(name, functions)}")
    path = file.resolve()
    sources = [part.read_text(encoding="utf-8") for part in import_closure(path, path.parent)]
    return guide, "\n".join(sources)


def _check_automatic_guide(model: BoundModel, name: str) -> None:
    """Raise UserError if there is no such guide, or if the model is too small for it."""
    if name not in GUIDE_NAMES:
        raise UserError(
            f"{model.name}: svi: guide: there is no '{name}': {hint(name, GUIDE_NAMES)}"
        )
    if name in FLOW_NAMES and count_numbers(model, model.site_names("latent")) < 2:
        raise UserError(
            f"{model.name}: the flow {name} needs two latent numbers, not 1. Choose AutoNormal."
        )


def _has_shape_mismatch(site: dict) -> bool:
    """Return whether the observations of a site have another shape than its distribution."""
    return (
        site["is_observed"]
        and jnp.shape(site["value"]) != site["fn"].shape()
        and jnp.size(site["value"]) > 1
    )
