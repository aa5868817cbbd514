"""Tell how far a fit is. Nothing here has an influence on a result."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
from numpyro.diagnostics import effective_sample_size, split_gelman_rubin

MIN_PAUSE_SECONDS = 0.9  # s between two messages, or two checkpoints, at least
MIN_PAUSE_FACTOR = 50  # times what the last one took, at least


class ProgressReporter:
    """Tell how far a run is, and say when to tell and when to write; each takes at most a fiftieth of the time."""

    def __init__(self, work, tell: Callable[[str], None], before: float):
        self.work, self.tell, self.before = work, tell, before
        self.started = time.perf_counter()
        self.last = {
            "told": (self.started, 0.0),
            "saved": (self.started, 0.0),
        }  # when, and what it cost
        self.first = None  # where the present phase began, for the time that is left

    def elapsed(self) -> float:
        """The seconds that the fit has run, those before a restart too."""
        return self.before + time.perf_counter() - self.started

    def due(self, what: str) -> bool:
        """Tell whether it is time to write (`saved`) or to tell (`told`) again."""
        when, cost = self.last[what]
        return time.perf_counter() - when >= max(MIN_PAUSE_SECONDS, MIN_PAUSE_FACTOR * cost)

    @contextmanager
    def noted(self, what: str) -> Iterator[None]:
        """Note what a writing or telling costs."""
        begun = time.perf_counter()
        yield
        self.last[what] = (time.perf_counter(), time.perf_counter() - begun)

    def report(self, state, records, done: int, warmup: int) -> None:
        """Tell of warm-up or draws, the time that is left, smallest ESS, largest R-hat, divergences, and work for a draw."""
        now, warming = time.perf_counter(), done < warmup
        parts = [
            f"warm-up {done} of {warmup}"
            if warming
            else f"{done - warmup} of {self.work.draws} {self.work.unit}"
        ]
        if self.first and done > self.first[0]:
            left = (
                (now - self.first[1]) / (done - self.first[0]) * (warmup + self.work.draws - done)
            )
            parts.append(f"about {left:.0f} s left")
        parts += [] if warming else _describe_convergence(records)
        if "diverging" in records.totals:
            parts.append(f"{int(records.totals['diverging'])} divergences")
        if evaluations := self.work.evaluations(state):
            parts.append(f"{evaluations / done / self.work.chains:.3g} leapfrogs per draw")
        self.tell(", ".join(parts))


def _describe_convergence(records) -> list[str]:
    """Say which of the scalars that are watched has the smallest ESS and which the largest R-hat, by NumPyro's estimators."""
    draws, found = records.scalars(), []
    if len(draws) == 0 or draws.shape[2] < 8:
        return []
    for name, measure, largest in (
        ("smallest ESS", effective_sample_size, False),
        ("largest R-hat", split_gelman_rubin, True),
    ):
        with np.errstate(all="ignore"):
            values = np.array([float(measure(one)) for one in draws])
        if np.isfinite(values).any():
            at = int(
                np.nanargmax(np.where(np.isfinite(values), values if largest else -values, np.nan))
            )
            found.append(
                f"{name} {values[at]:{'.3f' if largest else '.0f'}} ({records.labels[at]})"
            )
    return found
