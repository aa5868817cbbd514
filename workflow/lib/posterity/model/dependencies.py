"""Which sites of a model depend on which."""

import numpyro
from numpyro.handlers import scope
from numpyro.infer.inspect import get_dependencies

from posterity.model.model import BoundModel


def list_top_level_sites(model: BoundModel) -> list[str]:
    """List the latent sites whose prior depends on no other latent site: those that power scaling of the prior acts on."""
    above = find_ancestors(model)
    return [name for name in model.site_names("latent") if not set(above.get(name, ())) - {name}]


def find_ancestors(model: BoundModel) -> dict[str, list[str]]:
    """List, for each sampled site, the latent sites that its density depends on (itself among them)."""
    prefixed = scope(
        model.function, prefix="site"
    )  # NumPyro would take a site called `model` for an argument of its own
    dependencies = get_dependencies(prefixed, (), model.arguments)["prior_dependencies"]
    return {
        name.removeprefix("site/"): [one.removeprefix("site/") for one in origins]
        for name, origins in dependencies.items()
    }


def render_graph(model: BoundModel) -> str:
    """Draw the model as a graph, in the DOT language."""
    return numpyro.render_model(
        model.function, model_kwargs=model.arguments, render_distributions=True
    ).source
