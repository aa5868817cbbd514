"""Groups of an artefact, and the draws that several groups have in common."""

from collections.abc import Iterable

import numpy as np
import xarray as xr

THINNED_PREFIX = "posterior_thinned_"


def get_group(tree: xr.DataTree, name: str) -> xr.Dataset:
    """Return one group as a Dataset; an empty one if the artefact does not have it."""
    return tree[name].to_dataset() if name in tree.children else xr.Dataset()


def list_draw_groups(fit: xr.DataTree) -> list[xr.Dataset]:
    """
    Return the groups of posterior.nc that hold draws.

    A fit stores the sites with the smallest thinning step in `posterior`. Sites with a larger
    step k are in `posterior_thinned_<k>`, every k-th draw. In each group, the coordinate `draw`
    is the number of the draw before thinning, by which groups can be aligned.
    """
    return [
        get_group(fit, str(name))
        for name in fit.children
        if name == "posterior" or str(name).startswith(THINNED_PREFIX)
    ]


def align_draws(fit: xr.DataTree, sites: Iterable[str] | None = None) -> xr.Dataset:
    """
    Return sites of all groups with draws, restricted to the draws that they have in common.

    Parameters
    ----------
    fit : xarray.DataTree
        posterior.nc.
    sites : iterable of str, optional
        Sites to return. None returns all that have draws.

    Returns
    -------
    xarray.Dataset
        Sites with dimensions chain and draw; empty if none of them has draws.
    """
    groups = list_draw_groups(fit)
    if sites is not None:
        names = set(sites)
        groups = [group[[site for site in group.data_vars if site in names]] for group in groups]
    groups = [group for group in groups if group.data_vars]
    if not groups:
        return xr.Dataset()
    if len(groups) == 1:
        return groups[0]
    return xr.merge(groups, join="inner", combine_attrs="drop_conflicts")


def align_latent_draws(fit: xr.DataTree) -> xr.Dataset:
    """
    Return the latent sites and those of `posterior`, restricted to their common draws.

    Derived sites that are thinned more than the latent ones are left out, so that they do not
    reduce the number of draws.
    """
    sites = [*map(str, get_group(fit, "posterior").data_vars)]
    for group in list_draw_groups(fit):
        sites += [
            str(site) for site, values in group.items() if values.attrs.get("role") == "latent"
        ]
    return align_draws(fit, sites)


def thin_draws(draws: xr.Dataset, chosen: np.ndarray) -> xr.Dataset:
    """Return the draws with the numbers `chosen` of each chain, numbered again from 0."""
    thinned = draws.sel(draw=chosen)
    return thinned.assign_coords(draw=np.arange(thinned.sizes["draw"]))
