"""Dependencies between the sites of a model."""

import numpyro
from numpyro.handlers import scope
from numpyro.infer.inspect import get_dependencies

from posterity.model.model import BoundModel
from posterity.model.standardised import find_standardised_sites


def list_top_level_sites(model: BoundModel) -> list[str]:
    """List the latent sites whose prior depends on no other latent site."""
    ancestors = find_ancestors(model)
    return [
        name for name in model.site_names("latent") if not set(ancestors.get(name, ())) - {name}
    ]


def list_hyperparameters(model: BoundModel) -> list[str]:
    """
    List the continuous latent sites whose priors are choices.

    These are the sites that `PRIORS` of the model's file names. Without it they are those at the
    top level, except standardised latents of a non-centred form. Checks of the prior concern these
    (Kallioinen et al. 2024, Statistics and Computing 34, 57, section 4).
    """
    if model.priors is not None:
        return [name for name in model.continuous_latents if name in model.priors]
    top_level = list_top_level_sites(model)
    excluded = find_standardised_sites(model, top_level)
    return [name for name in top_level if name in model.continuous_latents and name not in excluded]


def find_ancestors(model: BoundModel) -> dict[str, list[str]]:
    """List, for each sampled site, the sites that its density depends on, with itself."""
    # Without the prefix NumPyro mistakes a site called `model` for an argument of its own.
    prefixed = scope(model.function, prefix="site")
    dependencies = get_dependencies(prefixed, (), model.arguments)["prior_dependencies"]
    return {
        name.removeprefix("site/"): _remove_prefixes(ancestors)
        for name, ancestors in dependencies.items()
    }


def render_graph(model: BoundModel) -> str:
    """Return the graph of the model in the DOT language."""
    return numpyro.render_model(
        model.function, model_kwargs=model.arguments, render_distributions=True
    ).source


def _remove_prefixes(names: list[str]) -> list[str]:
    return [name.removeprefix("site/") for name in names]
