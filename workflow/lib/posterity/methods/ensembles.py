"""What ensemble samplers share."""

import numpy as np

from posterity.errors import UserError
from posterity.model import Model


def walkers(model: Model, settings: dict) -> None:
    """Raise UserError unless there are walkers enough: an even number, and more than there are latent numbers."""
    if isinstance(settings["init"], dict):
        raise UserError(
            f"{model.name}: {settings['method']}: init: walkers that all start at one value never leave it, as each moves along "
            "others; take uniform, sample or pathfinder"
        )
    size = sum(int(np.prod(model.sites[name].shape)) for name in model.names("latent"))
    if settings["chains"] % 2 or settings["chains"] < size + 2:
        raise UserError(
            f"{model.name}: {settings['method']}: chains: {settings['chains']} walkers for {size} latent numbers; their number is "
            f"even and at least {size + 2 + size % 2}, and twice the latent numbers, {2 * size}, or more is better"
        )
