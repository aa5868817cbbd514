"""The groups of predictive.nc."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from posterity.artefact.groups import align_draws, get_group, list_draw_groups, thin_draws
from posterity.model.bind import bind_model
from posterity.model.datasets import make_data_groups
from posterity.model.model import BoundModel
from posterity.prediction.design import design_model_statistics
from posterity.prediction.leave_one_out import LooInputs, make_loo_group, make_matcher
from posterity.prediction.new_data import NewData, bind_new_data, predict_new_data
from posterity.prediction.predict import Values, make_draws_dataset, predict_posterior
from posterity.prediction.prior_conflict import measure_prior_conflict
from posterity.prediction.statistics import SiteDesign
from posterity.runtime.rng import Stream

MAX_COPIED_SCALARS = 100  # larger sites of the posterior are not copied into predictive.nc
LONG_NAMES = {"log_likelihood": "log likelihood", "log_prior": "log prior density"}


@dataclass(frozen=True)
class FitDraws:
    """
    Evenly thinned draws of a fit.

    Attributes
    ----------
    latent : dict of str to array
        Draws of the latent sites, each of shape (chains * draws, ...).
    chains : int
        Number of chains.
    numbers : array of int
        The numbers of the draws in each chain, before thinning.
    thin : int
        Thinning step.
    """

    latent: Values
    chains: int
    numbers: np.ndarray
    thin: int


def select_fit_draws(fit: xr.DataTree, model: BoundModel, max_draws: int) -> FitDraws:
    """Return at most `max_draws` draws, of all chains, of the latent sites of a fit."""
    sites = model.site_names("latent")
    draws = align_draws(fit, sites)
    chains = draws.sizes["chain"]
    thin = max(1, -(-chains * draws.sizes["draw"] // max_draws))
    numbers = draws["draw"].values[::thin]
    thinned = thin_draws(draws, numbers).transpose("chain", "draw", ...)
    latent = {site: thinned[site].values.reshape(-1, *model.sites[site].shape) for site in sites}
    return FitDraws(latent, chains, numbers, thin)


def predict_groups(
    model: str,
    spec: dict[str, Any],
    data: xr.Dataset,
    fit: xr.DataTree,
    settings: dict[str, Any],
    stream: Stream,
    where: str,
) -> tuple[dict[str, xr.Dataset], dict[str, Any]]:
    """
    Predict from the draws of a fit.

    Parameters
    ----------
    model : str
        Id of the model.
    spec : dict
        The entry of the model in the study.
    data : xarray.Dataset
        Data of the study.
    fit : xarray.DataTree
        posterior.nc.
    settings : dict
        `predict` of the study: `draws` (the largest number of draws that are used) and, for
        predictions at new covariates, `at`.
    stream : Stream
        Random stream of the predictions.
    where : str
        Place of `at` (file and key) for messages.

    Returns
    -------
    groups : dict of str to xarray.Dataset
        The groups of predictive.nc.
    attributes : dict
        `thin`, the thinning step of the draws, and `factors`, the names of terms by numpyro.factor.

    Raises
    ------
    UserError
        If the model cannot be bound to the data or to the new covariates.
    """
    bound = bind_model(model, spec, data)
    draws = select_fit_draws(fit, bound, settings["draws"])
    designs = design_model_statistics(bound, spec, data)
    values = predict_posterior(bound, draws.latent, stream, designs)
    groups = _make_density_groups(bound, values, draws, data)
    groups["posterior_predictive"] = make_draws_dataset(
        bound, values["predicted"], draws.chains, data
    )
    groups["test_statistics"] = _make_test_statistics(designs, values, draws.chains)
    groups["prior_conflict"] = measure_prior_conflict(
        bound, list(values["log_prior"]), draws.latent, draws.chains, stream.child("conflict")
    )
    if "at" in settings:
        new_data = bind_new_data(model, spec, settings["at"], data, stream.seed, where)
        groups |= _make_prediction_groups(new_data, draws, stream.child("at"))
    groups |= make_data_groups(bound, data)
    groups["posterior"] = _copy_small_sites(fit, draws.numbers)
    if "sample_stats" in fit.children:
        groups["sample_stats"] = thin_draws(get_group(fit, "sample_stats"), draws.numbers)
    is_chain = fit.attrs.get("draw_kind") == "chains"
    groups["loo"] = _make_loo(bound, draws, groups, is_chain, stream.generator("loo"))
    return groups, {"thin": draws.thin, "factors": ", ".join(bound.factor_sites)}


def _make_loo(
    model: BoundModel,
    draws: FitDraws,
    groups: dict[str, xr.Dataset],
    is_chain: bool,
    rng: np.random.Generator,
) -> xr.Dataset:
    """Make the group `loo` from the groups of predictive.nc."""
    statistics = groups.get("sample_stats", xr.Dataset())
    log_ratio = None
    if "log_q" in statistics:
        log_ratio = (statistics["log_p"] - statistics["log_q"]).values
    latent = {
        site: values.reshape(draws.chains, -1, *values.shape[1:])
        for site, values in draws.latent.items()
    }
    inputs = LooInputs(
        observed=groups["observed_data"],
        likelihood=groups["log_likelihood"],
        replicated=groups["posterior_predictive"],
        latent=latent,
        log_ratio=log_ratio,
        match=make_matcher(model, draws.latent, draws.chains) if is_chain else None,
    )
    return make_loo_group(inputs, rng)


def _make_density_groups(
    model: BoundModel, values: dict[str, Values], draws: FitDraws, data: xr.Dataset
) -> dict[str, xr.Dataset]:
    """Make the groups `log_likelihood` and `log_prior`."""
    groups = {
        group: make_draws_dataset(model, values[group], draws.chains, data) for group in LONG_NAMES
    }
    for group, long_name in LONG_NAMES.items():
        for site, density in groups[group].items():
            density.attrs = {"long_name": f"{long_name} of {site}", "units": ""}
    return groups


def _make_prediction_groups(
    new_data: NewData, draws: FitDraws, stream: Stream
) -> dict[str, xr.Dataset]:
    """Make the groups `predictions` and `predictions_constant_data`."""
    values = predict_new_data(new_data, draws.latent, stream)
    predictions = make_draws_dataset(new_data.model, values, draws.chains, new_data.covariates)
    predictions.attrs["resampled_sites"] = ", ".join(new_data.resampled_sites)
    return {"predictions": predictions, "predictions_constant_data": new_data.covariates}


def _make_test_statistics(
    designs: dict[str, SiteDesign], values: dict[str, Values], chains: int
) -> xr.Dataset:
    """Make the group `test_statistics`: of the predictions and of the data, by site and draw."""
    variables: dict[str, Any] = {}
    coords = {}
    for site, design in designs.items():
        dim = f"{site}_statistic"
        for name in ("replicated", "realised"):
            array = values[name][site].reshape(chains, -1, len(design.names))
            variables[f"{site}_{name}"] = (("chain", "draw", dim), array)
        variables[f"{site}_is_decisive"] = (dim, np.array(design.is_decisive))
        coords[dim] = np.array(design.names, dtype=object)
    return xr.Dataset(variables, coords)


def _copy_small_sites(fit: xr.DataTree, numbers: np.ndarray) -> xr.Dataset:
    """Copy the chosen draws of small sites, from those groups that have all of these draws."""
    parts = []
    for group in list_draw_groups(fit):
        if not set(numbers) <= set(group["draw"].values):
            continue
        sites = [site for site in group if group[site][0, 0].size <= MAX_COPIED_SCALARS]
        if sites:
            parts.append(thin_draws(group[sites], numbers))
    return xr.merge(parts, join="exact", combine_attrs="drop_conflicts")
