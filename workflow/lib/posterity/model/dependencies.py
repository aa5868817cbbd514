"""Dependencies between the sites of a model."""

import numpyro
from numpyro.handlers import scope
from numpyro.infer.inspect import get_dependencies

from posterity.model.model import BoundModel


def list_top_level_sites(model: BoundModel) -> list[str]:
    """List the latent sites whose prior depends on no other latent site."""
    ancestors = find_ancestors(model)
    return [
        name for name in model.site_names("latent") if not set(ancestors.get(name, ())) - {name}
    ]


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
