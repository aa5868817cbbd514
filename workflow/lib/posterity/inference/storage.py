"""What is kept of a fit's draws, site by site: all, every how many-th, a summary, or nothing (`store` of a fit)."""

from dataclasses import dataclass
from math import lcm

import numpy as np

from posterity.artefact.streamed import BLOCK_BYTES, StreamedArray
from posterity.errors import UserError, hint

MIN_LATENT_DRAWS = (
    1000  # draws of a latent site that are kept in any case: predictions are made from them
)
SUMMARY_STATISTICS = ("mean", "sd", "q5", "median", "q95", "mcse", "ess_bulk", "ess_tail", "r_hat")


@dataclass(frozen=True)
class StoredDraws:
    """
    What is kept: `groups` of draws by site, which have every how many-th of the draws, and `summaries` by site.

    A group has the draws 0, `step`, 2 `step`, ... of each chain, and its name says so, but for the smallest step: `posterior`.
    """

    groups: dict[str, tuple[int, dict[str, np.ndarray | StreamedArray]]]
    summaries: dict[str, np.ndarray]


def compute_thinning_steps(store: dict, model, draws: int | None) -> dict[str, int]:
    """
    Say which sites are recorded, and every how many-th of `draws` (of all chains) of each.

    A latent site that is to leave nothing keeps ENOUGH draws nevertheless: without them there are no predictions; where it is not
    known how many draws there will be, all are recorded, and `keep` thins them. Raises UserError for a site that the model does not
    have.
    """
    latent = model.site_names("latent")
    sites = [*latent, *model.site_names("deterministic")]
    for site in store:
        if site not in sites:
            raise UserError(
                f"store: model {model.name} has no latent or deterministic site '{site}': {hint(site, sites)}"
            )
    found = {}
    for site in sites:
        chosen = store.get(site, "all")
        if isinstance(chosen, dict):
            found[site] = chosen["thin"]
        elif chosen != "none":
            found[site] = 1
        elif site in latent:
            found[site] = _choose_latent_step(draws, store, latent) if draws else 1
    return found


def select_draws(
    posterior: dict[str, np.ndarray | StreamedArray],
    recorded: dict[str, int],
    every: dict[str, int],
    store: dict,
    latent: list[str],
) -> StoredDraws:
    """
    Take from draws of shape (chain, draw, ...) what is to be kept.

    `every` is what `steps` wanted of `store`, and `recorded` says which sites have been thinned so already.
    """
    groups, summaries = {}, {}
    for site, values in posterior.items():
        if site not in every:
            continue
        step, chosen = every[site], store.get(site)
        if chosen == "summary":
            summaries[site] = summarise_site(values)
            if site not in latent:
                continue
        if chosen in ("summary", "none") and recorded.get(site, 1) == 1:
            step = _choose_latent_step(values.shape[0] * values.shape[1], store, latent)
        missing = step // recorded.get(site, 1)
        if missing > 1:
            values = (
                values.every(missing) if isinstance(values, StreamedArray) else values[:, ::missing]
            )
        groups.setdefault(step, {})[site] = values
    names = {
        step: f"posterior_thinned_{step}" if place else "posterior"
        for place, step in enumerate(sorted(groups))
    }
    return StoredDraws({names[step]: (step, groups[step]) for step in sorted(groups)}, summaries)


def summarise_site(values: np.ndarray | StreamedArray) -> np.ndarray:
    """
    Summarise each scalar of a site: STATISTICS, shape (statistic, ...).

    What tells of convergence (see `statistics.summarise`) is that of `statistics.JUDGED` scalars, and NaN for others.
    """
    import xarray as xr

    from posterity.stats.summary import (
        MAX_STORED_SCALARS,
        select_scalars,
        summarise_draws,  # ArviZ takes half a second, for those who ask
    )

    chains, draws, *shape = values.shape
    size = int(np.prod(shape))
    if not isinstance(values, StreamedArray):
        array = values
        values = StreamedArray(array.shape, array.dtype, lambda: iter([array]))
    found = np.full((len(SUMMARY_STATISTICS), size), np.nan)
    width = int(max(1, BLOCK_BYTES // (8 * chains * draws)))
    for begin in range(0, size, width):
        here = slice(begin, begin + width)
        block = values.columns(here).reshape(chains * draws, -1).astype(float)
        found[:5, here] = [
            block.mean(0),
            block.std(0, ddof=1),
            *np.quantile(block, [0.05, 0.5, 0.95], axis=0),
        ]
    chosen = select_scalars(size, MAX_STORED_SCALARS)
    for begin in range(0, len(chosen), width):
        here = chosen[begin : begin + width]
        judged = xr.Dataset({"x": (("chain", "draw", "i"), values.columns(here).astype(float))})
        summary = summarise_draws(judged, "eti", 0.9)
        found[5:, here] = [summary[name].values for name in SUMMARY_STATISTICS[5:]]
    return found.reshape(len(SUMMARY_STATISTICS), *shape)


def _choose_latent_step(draws: int, store: dict, latent: list[str]) -> int:
    """Choose every how many-th draw makes ENOUGH, so that they are draws that thinned latent sites have, too."""
    step = max(1, draws // MIN_LATENT_DRAWS)
    other = lcm(
        *(
            choice["thin"]
            for site, choice in store.items()
            if site in latent and isinstance(choice, dict)
        )
    )
    return (
        step // other * other
        if step >= other
        else max(one for one in range(1, step + 1) if other % one == 0)
    )
