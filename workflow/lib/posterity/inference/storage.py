"""Storage of draws, site by site: all, every k-th, a summary, or none (`store` of a fit)."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import lcm

import numpy as np
import xarray as xr

from posterity.artefact.streamed import BLOCK_BYTES, StreamedArray
from posterity.errors import UserError, hint
from posterity.inference.result import FitResult
from posterity.model.datasets import make_data_groups, make_sample_stats
from posterity.model.model import BoundModel

MIN_LATENT_DRAWS = 1000  # draws of a latent site that are stored at least: predictions need them
MAX_INITIAL_SCALARS = 1000  # scalars of a site whose initial values are stored
SUMMARY_STATISTICS = ("mean", "sd", "q5", "median", "q95", "mcse", "ess_bulk", "ess_tail", "r_hat")
MOMENT_COUNT = 5  # of the statistics are moments and quantiles; the others judge convergence
QUANTILES = (0.05, 0.5, 0.95)
INTERVAL_PROBABILITY = 0.9

Draws = np.ndarray | StreamedArray


@dataclass(frozen=True)
class StoredDraws:
    """
    The draws that are stored.

    Attributes
    ----------
    groups : dict of str to tuple
        By group of the artefact, its thinning interval k and its draws by site: the draws 0, k, 2
        k, ... of each chain. The group with the smallest interval is `posterior`, another one is
        `posterior_thinned_<k>`.
    summaries : dict of str to np.ndarray
        Summaries by site, shape (statistic, ...).
    weighted : dict of str to np.ndarray
        Weighted draws by site.
    """

    groups: dict[str, tuple[int, dict[str, Draws]]]
    summaries: dict[str, np.ndarray]
    weighted: dict[str, np.ndarray]


def compute_thinning_steps(settings: dict, model: BoundModel) -> dict[str, int]:
    """
    Return the thinning interval of each site that a fit records.

    A latent site of which nothing is to be stored keeps MIN_LATENT_DRAWS draws, since predictions
    need them. If a stopping rule decides how many draws there are, all draws of such a site are
    recorded, and `select_draws` thins them. Raises UserError for a site that the model does not
    have.
    """
    store = settings.get("store", {})
    latent = model.site_names("latent")
    sites = [*latent, *model.site_names("deterministic")]
    for site in store:
        if site not in sites:
            raise UserError(
                f"store: model {model.name} has no latent or deterministic site '{site}': "
                f"{hint(site, sites)}"
            )
    latent_step = 1
    if not settings.get("stop_when"):
        draws = settings.get("chains", 1) * settings.get("draws", 1)
        latent_step = _choose_latent_step(draws, store, latent)
    steps = {}
    for site in sites:
        choice = store.get(site, "all")
        if isinstance(choice, dict):
            steps[site] = choice["thin"]
        elif choice != "none":
            steps[site] = 1
        elif site in latent:
            steps[site] = latent_step
    return steps


def select_draws(
    result: FitResult, thin: dict[str, int], store: dict, model: BoundModel
) -> StoredDraws:
    """
    Select the draws of a result that are stored.

    Parameters
    ----------
    result : FitResult
        The result, with draws of shape (chain, draw, ...). Its `recorded` has the intervals by
        which they are thinned already.
    thin : dict of str to int
        The thinning interval of each site (see `compute_thinning_steps`).
    store : dict
        The fit's choice for each site.
    model : BoundModel
        The model.

    Returns
    -------
    StoredDraws
        Draws by group, summaries, and weighted draws.
    """
    latent = model.site_names("latent")
    by_step: dict[int, dict[str, Draws]] = {}
    summaries = {}
    for site, values in result.posterior.items():
        if site not in thin:
            continue
        choice = store.get(site)
        step = thin[site]
        recorded_step = result.recorded.get(site, 1)
        if choice == "summary":
            summaries[site] = summarise_site(values)
            if site not in latent:
                continue
        if choice in ("summary", "none") and recorded_step == 1:
            step = _choose_latent_step(values.shape[0] * values.shape[1], store, latent)
        by_step.setdefault(step, {})[site] = _thin(values, step // recorded_step)
    groups: dict[str, tuple[int, dict[str, Draws]]] = {}
    for step in sorted(by_step):
        name = f"posterior_thinned_{step}" if groups else "posterior"
        groups[name] = (step, by_step[step])
    without_draws = {site for site, choice in store.items() if choice in ("summary", "none")}
    weighted = {
        site: values
        for site, values in result.weighted.items()
        if site in latent or site not in without_draws
    }
    return StoredDraws(groups, summaries, weighted)


def assemble_groups(
    result: FitResult, stored: StoredDraws, model: BoundModel, data: xr.Dataset
) -> tuple[dict[str, xr.Dataset], dict[str, dict[str, StreamedArray]]]:
    """
    Assemble the groups of the artefact of a fit.

    Parameters
    ----------
    result : FitResult
        The result.
    stored : StoredDraws
        What is stored of its draws.
    model : BoundModel
        The model.
    data : xr.Dataset
        The data of the study.

    Returns
    -------
    groups : dict of str to xr.Dataset
        The groups that are not empty. An array on disk is represented by zeros.
    streams : dict of str to dict
        The arrays on disk, by group and site.
    """
    groups: dict[str, xr.Dataset] = {}
    streams: dict[str, dict[str, StreamedArray]] = {}
    for name, (step, sites) in stored.groups.items():
        arrays: dict[str, np.ndarray] = {}
        streams[name] = {}
        for site, values in sites.items():
            if isinstance(values, StreamedArray):
                streams[name][site] = values
                arrays[site] = values.stub()
            else:
                arrays[site] = values
        draws = model.to_dataset(arrays, ("chain", "draw"), data)
        groups[name] = draws.assign_coords(draw=step * draws["draw"])
    groups |= {
        "posterior_summary": model.to_dataset(stored.summaries, ("statistic",), data),
        "sample_stats": make_sample_stats(result.statistics),
        "point": model.to_dataset(result.point, (), data),
        "weighted_posterior": model.to_dataset(stored.weighted, ("chain", "draw"), data),
        "evidence": result.evidence,
        "optimisation": result.optimisation,
        "guide": result.guide,
        "modes": result.modes,
        "initial_values": make_initial_values(result.initial_values, model, data),
    }
    if stored.summaries:
        groups["posterior_summary"]["statistic"] = list(SUMMARY_STATISTICS)
    if result.log_weights is not None:
        attributes = {"long_name": "log weight", "units": ""}
        log_weight = (("chain", "draw"), result.log_weights, attributes)
        groups["weighted_posterior"]["log_weight"] = log_weight
    groups = {name: values for name, values in groups.items() if values.data_vars}
    return groups | make_data_groups(model, data), streams


def describe_result(result: FitResult) -> dict:
    """Return the attributes of an artefact that say how its fit went."""
    return {
        "inference_library": "numpyro",
        "draw_kind": result.sampling,
        "gradient_evaluations": result.gradient_evaluations,
        "compile_seconds": result.compile_seconds,
        "run_seconds": result.run_seconds,
        "stopped": result.stopped,
        "warmup": result.warmup,
        **result.attributes,
    }


def make_initial_values(
    values: dict[str, np.ndarray], model: BoundModel, data: xr.Dataset
) -> xr.Dataset:
    """
    Return the values at which chains start, over `chain`.

    `values` has the latent sites, shape (chain, ...). A site with more than MAX_INITIAL_SCALARS
    scalars is left out.
    """
    small = {name: array for name, array in values.items() if array[0].size <= MAX_INITIAL_SCALARS}
    return model.to_dataset(small, ("chain",), data)


def summarise_site(values: Draws) -> np.ndarray:
    """
    Summarise each scalar of a site: SUMMARY_STATISTICS, shape (statistic, ...).

    The statistics that judge convergence (see `posterity.stats.summary.summarise_draws`) are those
    of MAX_STORED_SCALARS scalars, and NaN for the others.
    """
    # Imported here: most fits store no summaries.
    from posterity.stats.summary import MAX_STORED_SCALARS, select_scalars, summarise_draws

    chains, draws, *shape = values.shape
    size = int(np.prod(shape))
    array = _as_streamed(values)
    statistics = np.full((len(SUMMARY_STATISTICS), size), np.nan)
    width = int(max(1, BLOCK_BYTES // (8 * chains * draws)))
    for begin in range(0, size, width):
        columns = slice(begin, begin + width)
        block = array.columns(columns).reshape(chains * draws, -1).astype(float)
        quantiles = np.quantile(block, QUANTILES, axis=0)
        statistics[:MOMENT_COUNT, columns] = [block.mean(0), block.std(0, ddof=1), *quantiles]
    judged = select_scalars(size, MAX_STORED_SCALARS)
    for begin in range(0, len(judged), width):
        indices = judged[begin : begin + width]
        block = array.columns(indices).astype(float)
        dataset = xr.Dataset({"x": (("chain", "draw", "i"), block)})
        summary = summarise_draws(dataset, "eti", INTERVAL_PROBABILITY)
        statistics[MOMENT_COUNT:, indices] = [
            summary[name].values for name in SUMMARY_STATISTICS[MOMENT_COUNT:]
        ]
    return statistics.reshape(len(SUMMARY_STATISTICS), *shape)


def _as_streamed(values: Draws) -> StreamedArray:
    if isinstance(values, StreamedArray):
        return values
    array = values
    return StreamedArray(array.shape, array.dtype, lambda: iter([array]))


def _thin(values: Draws, step: int) -> Draws:
    if step <= 1:
        return values
    return values.thin(step) if isinstance(values, StreamedArray) else values[:, ::step]


def _choose_latent_step(draws: int, store: Mapping, latent: list[str]) -> int:
    """
    Return the thinning interval that leaves about MIN_LATENT_DRAWS of `draws`.

    It divides, or is a multiple of, the intervals of the other latent sites, so that they share
    these draws.
    """
    step = max(1, draws // MIN_LATENT_DRAWS)
    intervals = [
        choice["thin"]
        for site, choice in store.items()
        if site in latent and isinstance(choice, dict)
    ]
    common = lcm(*intervals)
    if step >= common:
        return step // common * common
    return max(divisor for divisor in range(1, step + 1) if common % divisor == 0)
