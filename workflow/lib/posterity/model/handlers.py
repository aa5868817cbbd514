"""Effect handlers for NumPyro models."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from numpyro.distributions import (
    ExpandedDistribution,
    ImproperUniform,
    Independent,
    MaskedDistribution,
    biject_to,
)
from numpyro.handlers import uncondition
from numpyro.primitives import Messenger


def unwrap_distribution(distribution):
    """Take a distribution out of what a plate, `to_event` and `mask` put around it."""
    while isinstance(distribution, ExpandedDistribution | Independent | MaskedDistribution):
        distribution = distribution.base_dist
    return distribution


class InitImproper(Messenger):
    """Give a site with an improper prior, which cannot be drawn, a value in its support where none is given: any, but no draw."""

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
    """Let plates with a `subsample_size` have all their elements."""

    def process_message(self, msg: dict) -> None:
        """Ask for all elements, in their order."""
        if msg["type"] == "plate" and msg["value"] is None:
            size = msg["args"][0]
            msg["args"], msg["value"] = (size, size), jnp.arange(size)


class ReplicateObserved(uncondition):
    """Draw observations anew, as many as there are: `sample("y", Normal(mu, 1), obs=y)` with one mu gives a draw for each y."""

    def process_message(self, msg: dict) -> None:
        """Widen the distribution of an observed site to the shape of its observations, and forget them."""
        if msg["type"] == "sample" and msg["is_observed"] and msg["value"] is not None:
            shape = np.shape(msg["value"])
            batch = np.broadcast_shapes(
                shape[: len(shape) - msg["fn"].event_dim], msg["fn"].batch_shape
            )
            if msg["fn"].batch_shape != batch:
                msg["fn"] = msg["fn"].expand(batch)
        super().process_message(msg)


class MaskObserved(Messenger):
    """Leave the likelihood out of the density."""

    def __init__(self, function: Callable, observed: list[str]):
        self.observed = observed
        super().__init__(function)

    def process_message(self, msg: dict) -> None:
        """Mask observed sites, terms by numpyro.factor among them (but not those of NumPyro's own, for transformations)."""
        if msg["name"] in self.observed:
            msg["fn"] = msg["fn"].mask(False)


class SubsamplePlates(Messenger):
    """Take a random part of each of some plates, as many elements as are given."""

    def __init__(self, function: Callable, sizes: dict[str, int]):
        self.sizes = sizes
        super().__init__(function)

    def process_message(self, msg: dict) -> None:
        """Ask a plate for a part of its elements; the seed of a handler further out draws them."""
        if msg["type"] == "plate" and msg["name"] in self.sizes:
            msg["args"], msg["value"] = (
                (msg["args"][0], min(self.sizes[msg["name"]], msg["args"][0])),
                None,
            )
