"""Groups of an artefact, and draws that several groups have in common."""

import numpy as np
import xarray as xr


def get_group(tree: xr.DataTree, name: str) -> xr.Dataset:
    """Take one group as a Dataset; an empty one where the artefact does not have it."""
    return tree[name].to_dataset() if name in tree.children else xr.Dataset()


def list_draw_groups(fit: xr.DataTree) -> list[xr.Dataset]:
    """Give the groups of a fit that hold draws, each with as many of them as it keeps (see `posterity.storing`)."""
    return [
        get_group(fit, name)
        for name in fit.children
        if name == "posterior" or str(name).startswith("posterior_thinned_")
    ]


def align_draws(fit: xr.DataTree, sites: list[str] | None = None) -> xr.Dataset:
    """Give the draws that all of these sites have in common (of all that have draws, where None)."""
    parts = [
        part if sites is None else part[[site for site in part.data_vars if site in sites]]
        for part in list_draw_groups(fit)
    ]
    parts = [part for part in parts if part.data_vars]
    if len(parts) < 2:
        return parts[0] if parts else xr.Dataset()
    return xr.merge(parts, join="inner", combine_attrs="drop_conflicts")


def align_latent_draws(fit: xr.DataTree) -> xr.Dataset:
    """Give the draws that all latent sites have in common, with the sites of the group `posterior`."""
    latent = {
        str(site)
        for part in list_draw_groups(fit)
        for site, one in part.items()
        if one.attrs.get("role") == "latent"
    }
    return align_draws(fit, [*latent, *map(str, get_group(fit, "posterior").data_vars)])


def thin_draws(draws: xr.Dataset, chosen: np.ndarray) -> xr.Dataset:
    """Keep these draws of each chain, counted anew."""
    kept = draws.sel(draw=chosen)
    return kept.assign_coords(draw=np.arange(kept.sizes["draw"]))
