"""Variational inference (Hoffman et al. 2013, JMLR 14, 1303; Kucukelbir et al. 2017, JMLR 18, 14), by NumPyro's guides."""

from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import xarray as xr
from numpyro.handlers import replay, seed, trace
from numpyro.infer import SVI, Trace_ELBO, autoguide
from numpyro.infer.util import log_density
from numpyro.optim import optax_to_numpyro
from numpyro.primitives import Messenger

from posterity import imports
from posterity.driving import ALONE, Driven, Rule, Run, Work, drive
from posterity.errors import UserError, hint
from posterity.losses import rests
from posterity.methods import STARTS, Result, no_start, timed
from posterity.methods.resampling import resampled
from posterity.model import Model
from posterity.programs import build
from posterity.randomness import generator, key
from posterity.sources import closure

GUIDES = (
    "AutoNormal",
    "AutoDiagonalNormal",
    "AutoMultivariateNormal",
    "AutoLowRankMultivariateNormal",
    "AutoBNAFNormal",
    "AutoIAFNormal",
    "AutoDelta",
)
FLOWS = ("AutoBNAFNormal", "AutoIAFNormal")
WHOLE = 0.7  # of the steps have the whole step size, before it decays
LOOK = 0.05  # of the steps lie between two looks at whether the loss rests
POOL = 5  # times the draws that are kept are drawn, where they are resampled
OPTIMISERS = {
    "adam": optax.scale_by_adam,
    "adabelief": optax.scale_by_belief,
    "rmsprop": optax.scale_by_rms,
    "sgd": optax.identity,
}


def fit(model: Model, settings: dict, seed_: int, names: tuple[str, ...], run: Run = ALONE) -> Result:
    """
    Fit a guide by maximising the evidence lower bound, and draw from it.

    `settings` are those of `svi` in the schema. The statistics `log_p` and `log_q` are the log densities of the draws under model
    and guide, from which the Pareto k-hat of the approximation follows (Yao et al. 2018, PMLR 80, 5581). `optimisation` has, by
    `step`, the loss (minus the bound, in nats) and the step size; `guide` the parameters in which a guide of the user's own ended.
    Raises UserError if the loss is not finite, for a guide that does not fit the model, and for minibatches of a plate that the
    model does not subsample.
    """
    problem = _Problem(model, settings)
    key_of_starts, key_of_draws = (key(seed_, *names, part) for part in ("svi", "draws"))
    whole = int(WHOLE * settings["steps"]) if settings["schedule"] == "decay" else settings["steps"]
    made_from = ["svi", model.fingerprint, problem.source, {k: v for k, v in settings.items() if k not in ("draws", "resample")}]
    size = min(settings["steps"], 100_000)

    def starts(key, traced):
        def better(best, key):
            state, loss = problem.begin(key, traced)
            take = jnp.isfinite(loss) & (loss < best[1])
            return jax.tree.map(lambda new, old: jnp.where(take, new, old), (state, loss), best), None

        nowhere = jax.tree.map(lambda one: jnp.zeros(one.shape, one.dtype), jax.eval_shape(problem.begin, key, traced)[0])
        return jax.lax.scan(better, (nowhere, jnp.inf), jax.random.split(key, settings["starts"]))[0]

    def advance(state, traced, count, since):
        """Steps `since + 1` ... of which those after the first `since` decay over the rest (see `rate`)."""
        update = problem.update(traced)

        def step(index, carry):
            state, losses, sizes = carry
            taken, (decay_from, length) = state[1], since
            rate = settings["step_size"] * 0.5 * (1 + jnp.cos(jnp.pi * jnp.clip((taken - decay_from) / length, 0, 1)))
            inner, loss = update(state[0], rate)
            return (inner, taken + 1), losses.at[index].set(loss), sizes.at[index].set(rate)

        zeros = jnp.zeros(size, float)
        state, losses, sizes = jax.lax.fori_loop(0, count, step, (state, zeros, zeros))
        return state, {".loss": losses[None], ".step_size": sizes[None]}

    def plan():
        begun = jax.jit(starts).trace(key_of_starts, model.traced)
        state = (begun.out_info[0], jax.ShapeDtypeStruct((), int))
        return [begun, jax.jit(advance).trace(state, model.traced, 0, (0, 1))], state

    programs = build((key_of_starts, model.traced), [*made_from, size], plan, quick=(0,))
    begin, go = programs.run
    here = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    like = jax.tree.map(lambda one: jax.ShapeDtypeStruct(one.shape, one.dtype, sharding=here), programs.notes)

    def start():
        state, loss = begin(key_of_starts, model.traced)
        if not np.isfinite(loss):
            raise no_start(model)
        return state, jnp.zeros((), int)

    def phase(name: str, first: Callable, steps: int, since: tuple[int, int], rule: Rule | None, lasting: bool) -> Driven:
        work = Work(
            start=first,
            advance=lambda state, count, recording: go(state, model.traced, count, since),
            like=like,
            warmup=0,
            draws=steps,
            size=size,
            unit="steps",
            rule=rule,
            lasting=lasting,
        )
        return drive(work, run.part(name))

    every = max(1, int(LOOK * settings["steps"]))
    rule = Rule(
        name="converged",
        next=lambda done: (max(done, 3 * every) // every + 1) * every,
        reached=lambda records: rests(records[".loss"][0], settings["tolerance"]),
    )
    driven = phase("whole", start, whole, (settings["steps"], 1), rule if settings["tolerance"] else None, True)
    losses, sizes, seconds = driven.records[".loss"][0], driven.records[".step_size"][0], driven.seconds
    if settings["schedule"] == "decay":
        length = max(1, round(driven.draws * (1 - WHOLE) / WHOLE))
        after = phase("decay", lambda: driven.state, length, (driven.draws, length), None, True)
        losses, sizes = (np.concatenate([one, after.records[name][0]]) for one, name in ((losses, ".loss"), (sizes, ".step_size")))
        seconds, state = seconds + after.seconds, after.state
    else:
        state = driven.state
    if not np.isfinite(losses).all():
        step = int(np.argmin(np.isfinite(losses))) + 1
        sentence = f"{model.name}: svi: the loss is not finite from step {step} on; take a smaller step_size, or another guide"
        raise no_start(model, sentence)
    optimisation = xr.Dataset(
        {"loss": ("step", losses, {"long_name": "loss", "units": "nats"}), "step_size": ("step", sizes)},
        {"step": np.arange(1, len(losses) + 1)},
    )
    effort = {
        "gradient_evaluations": len(losses) * settings["particles"],
        "stopped": "converged" if driven.stopped == "converged" else "steps",
        "optimisation": optimisation,
    }
    pool = settings["draws"] * (POOL if settings["resample"] else 1)
    (draws, best), compiled, ran = timed(
        lambda state, key, traced: problem.draws(state[0], key, traced, pool),
        (state, key_of_draws, model.traced),
        [*made_from, "draws", pool],
    )
    effort |= {"compile_seconds": programs.seconds + compiled, "run_seconds": seconds + ran}
    effort["guide"] = xr.Dataset({name: ([f"{name}_dim_{i}" for i in range(value.ndim)], value) for name, value in best.items()})
    sites, statistics = jax.tree.map(lambda values: values[None], draws)
    if settings["guide"] == "AutoDelta":
        return Result(sampling="point", point={name: values[0, 0] for name, values in sites.items()}, **effort)
    if not settings["resample"]:
        return Result(sampling="independent", posterior=sites, statistics=statistics, **effort)
    weights = (statistics["log_p"] - statistics["log_q"])[0]
    again = resampled(sites, weights, settings["draws"], generator(seed_, *names, "resample"))
    return Result(sampling="independent", **again, **effort)


class Minibatch(Messenger):
    """Take a random part of each of some plates, as many elements as are given."""

    def __init__(self, function: Callable, sizes: dict[str, int]):
        self.sizes = sizes
        super().__init__(function)

    def process_message(self, msg: dict) -> None:
        """Ask a plate for a part of its elements; the seed of a handler further out draws them."""
        if msg["type"] == "plate" and msg["name"] in self.sizes:
            msg["args"], msg["value"] = (msg["args"][0], min(self.sizes[msg["name"]], msg["args"][0])), None


class _Problem:
    """Model and guide under an objective; made anew in each trace, as a guide remembers what it saw of the model."""

    def __init__(self, model: Model, settings: dict):
        self.model, self.settings = model, settings
        self.own, self.source = None, ""
        if not settings["guide"].startswith("Auto"):
            file = Path(model.file.rpartition(":")[0]).with_name("guide.py")
            if not file.is_file():
                raise UserError(f"{file}: there is no such file, but the guide '{settings['guide']}' should be in it; write it")
            module = imports.load(file)
            if not callable(getattr(module, settings["guide"], None)):
                known = [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]
                raise UserError(f"{file}: there is no function '{settings['guide']}': {hint(settings['guide'], known)}")
            files = closure(file.resolve(), file.resolve().parent)
            self.own = getattr(module, settings["guide"])
            self.source = "\n".join(path.read_text(encoding="utf-8") for path in files)
        elif settings["guide"] not in GUIDES:
            raise UserError(f"{model.name}: svi: guide: there is no '{settings['guide']}': {hint(settings['guide'], GUIDES)}")
        elif settings["guide"] in FLOWS and sum(int(np.prod(model.sites[name].shape)) for name in model.names("latent")) < 2:
            raise UserError(f"{model.name}: the flow {settings['guide']} needs two latent numbers, not 1; take AutoNormal")
        self.batched = Minibatch(model.opened, settings["minibatch"]) if settings["minibatch"] else model.closed
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
                raise UserError(f"{self.model.file}: {remedy.format(' '.join(str(error).split()))}") from None
            unfit = [name for name, site in messages.items() if site["type"] == "sample" and _misfits(site)]
            if self.settings["minibatch"] and unfit:
                raise UserError(f"{self.model.file}: {remedy.format(f"the site '{unfit[0]}' has all observations")}")
            plates.update({name: site["args"][0] for name, site in messages.items() if site["type"] == "plate"})
            if self.own:
                guide = trace(seed(self.guide(self.batched, None), jax.random.PRNGKey(0))).get_trace(**traced)
                self._compare(guide, messages)
            return 0

        jax.eval_shape(run, self.model.traced)
        for plate, size in self.settings["minibatch"].items():
            if plate not in plates:
                raise UserError(f"{self.model.file}: minibatch: the model has no plate '{plate}': {hint(plate, plates)}")
            if size > plates[plate]:
                have = plates[plate]
                raise UserError(f"{self.model.file}: minibatch: {plate}: {size} is more than its {have} elements; take fewer")

    def _compare(self, guide: dict, messages: dict) -> None:
        """Raise UserError unless a guide of one's own has the latent sites of the model."""
        latent, name_of = self.model.names("latent"), f"{self.model.name}: the guide '{self.settings['guide']}'"
        sampled = {name: site for name, site in guide.items() if site["type"] == "sample"}
        found = {name: jnp.shape(site["value"]) for name, site in sampled.items() if not site["infer"].get("is_auxiliary")}
        for name in latent:
            shape = jnp.shape(messages[name]["value"])
            if found.get(name) != shape:
                has = f"has shape {found[name]} there" if name in found else "is not in it"
                raise UserError(
                    f"{name_of} does not match the model: the latent site '{name}' of shape {shape} {has}; give the guide a site "
                    "of this name and shape"
                )
        for name in set(found) - set(latent):
            raise UserError(f"{name_of} has a site '{name}' that the model does not have: {hint(name, latent)}")

    def svi(self, function: Callable, rate) -> SVI:
        """Make guide and objective, with an optimiser of this step size."""
        start = STARTS[self.settings["init"]]()
        guide = self.guide(function, start)
        optimiser = optax.chain(OPTIMISERS[self.settings["optimiser"]](), optax.scale_by_learning_rate(rate))
        return SVI(function, guide, optax_to_numpyro(optimiser), Trace_ELBO(num_particles=self.settings["particles"]))

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
        svi = self.svi(self.model.closed, 0.0)
        svi.init(jnp.zeros(2, jnp.uint32), **traced)
        params = svi.get_params(state)
        recorded = [*self.model.names("latent"), *self.model.names("deterministic")]

        def draw(key):
            log_q, of_guide = log_density(seed(svi.guide, key), (), traced, params)
            log_p, of_model = log_density(replay(seed(self.model.closed, key), of_guide), (), traced, {})
            return {name: of_model[name]["value"] for name in recorded}, {"log_p": log_p, "log_q": log_q}

        best = {name: value for name, value in params.items() if self.own and isinstance(value, jax.Array)}
        return jax.lax.map(draw, jax.random.split(key, count)), best


def _misfits(site: dict) -> bool:
    """Tell whether the observations of a site have another shape than its distribution."""
    return site["is_observed"] and jnp.shape(site["value"]) != site["fn"].shape() and jnp.size(site["value"]) > 1
