"""Effect handlers for NumPyro models."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from numpyro.distributions import (
    Distribution,
    ExpandedDistribution,
    ImproperUniform,
    Independent,
    MaskedDistribution,
    biject_to,
)
from numpyro.handlers import uncondition
from numpyro.primitives import Messenger


def unwrap_distribution(distribution: Distribution) -> Distribution:
    """Return the distribution inside the wrappers of plates, `to_event` and `mask`."""
    while isinstance(distribution, ExpandedDistribution | Independent | MaskedDistribution):
        distribution = distribution.base_dist
    return distribution


class InitImproper(Messenger):
    """Set a value in the support of each site whose improper prior cannot be drawn from."""

    def process_message(self, msg: dict) -> None:
        """Set a value that is uniform in (-2, 2) in unconstrained space, as samplers start."""
        if (
            msg["type"] == "sample"
            and msg["value"] is None
            and isinstance(unwrap_distribution(msg["fn"]), ImproperUniform)
        ):
            transform = biject_to(msg["fn"].support)
            shape = transform.inverse_shape(msg["fn"].shape())
            msg["value"] = transform(
                jax.random.uniform(msg["kwargs"]["rng_key"], shape, minval=-2, maxval=2)
            )


class FullPlates(Messenger):
    """Use all elements of plates that have a `subsample_size`."""

    def process_message(self, msg: dict) -> None:
        """Set the indices of a plate to those of all elements, in their order."""
        if msg["type"] == "plate" and msg["value"] is None:
            size = msg["args"][0]
            msg["args"] = (size, size)
            msg["value"] = jnp.arange(size)


class ReplicateObserved(uncondition):
    """
    Draw observed sites, with one draw for each observation.

    `sample("y", Normal(mu, 1), obs=y)` with a scalar mu gives a draw for each element of y.
    """

    def process_message(self, msg: dict) -> None:
        """Expand the distribution of an observed site to its observations, and remove these."""
        if msg["type"] == "sample" and msg["is_observed"] and msg["value"] is not None:
            shape = np.shape(msg["value"])
            batch = np.broadcast_shapes(
                shape[: len(shape) - msg["fn"].event_dim], msg["fn"].batch_shape
            )
            if msg["fn"].batch_shape != batch:
                msg["fn"] = msg["fn"].expand(batch)
        super().process_message(msg)


class MaskObserved(Messenger):
    """Remove the likelihood from the density."""

    def __init__(self, function: Callable, observed: list[str]):
        self.observed = observed
        super().__init__(function)

    def process_message(self, msg: dict) -> None:
        """
        Mask an observed site, or a term by numpyro.factor.

        The names select the sites, since NumPyro adds observed sites for its own transformations.
        """
        if msg["name"] in self.observed:
            msg["fn"] = msg["fn"].mask(False)


class SubsamplePlates(Messenger):
    """Use a random subsample of given size of some plates."""

    def __init__(self, function: Callable, sizes: dict[str, int]):
        self.sizes = sizes
        super().__init__(function)

    def process_message(self, msg: dict) -> None:
        """Set the subsample size of a plate; the seed of an outer handler draws the elements."""
        if msg["type"] == "plate" and msg["name"] in self.sizes:
            size = msg["args"][0]
            msg["args"] = (size, min(self.sizes[msg["name"]], size))
            msg["value"] = None
